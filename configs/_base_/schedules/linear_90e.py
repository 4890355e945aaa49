# MAE's linear probe: LARS without weight decay, 10 epochs of warm-up from 0, half-cosine to 0. lr is per 256 images.
_base_ = "../default_runtime.py"  # for the checkpoint hook, below

optim_wrapper = dict(
    type="Bf16OptimWrapper",
    optimizer=dict(type="LARS", lr=0.1, momentum=0.9, weight_decay=0.0),
    constructor="GroupedOptimWrapperConstructor",
    accumulative_counts=1,
)
auto_scale_lr = dict(enable=True, base_batch_size=256)

param_scheduler = dict(type="WarmupCosineLR", warmup=10, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=90, val_interval=5)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(checkpoint=dict(save_best="accuracy/top1", rule="greater"))
