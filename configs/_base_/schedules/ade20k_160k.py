# MAE's UperNet recipe as mmseg has it (configs/mae): 160,000 updates of 16 images, AdamW with layer-wise decay, a
# warm-up of 1,500 and then a straight line to 0. bfloat16.
# lr is per 16 images; tools/train.py multiplies it by (processes x batch_size x accumulative_counts) / 16.
_base_ = "../seg_runtime.py"

optim_wrapper = dict(
    type="mirl_mm.Bf16OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
    constructor="mirl_mm.LayerDecayOptimWrapperConstructor",
    paramwise_cfg=dict(layer_decay=0.7),
)
auto_scale_lr = dict(enable=True, base_batch_size=16)

param_scheduler = dict(type="mirl_mm.WarmupPolyLR", warmup=1500, start_factor=1e-6, by_epoch=False)
# SyncBN of the heads' norms in a run of several GPUs, which have two images each.
sync_bn = "torch"

train_cfg = dict(type="IterBasedTrainLoop", max_iters=160000, val_interval=8000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
