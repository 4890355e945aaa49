# Pre-training recipe of MIRL (and MAE): AdamW, 40 epochs of warm-up from 0, half-cosine to 0, set every iteration.
# lr is per 256 images; tools/train.py multiplies it by (processes x batch_size x accumulative_counts) / 256.
optim_wrapper = dict(
    type="Bf16OptimWrapper",
    optimizer=dict(type="AdamW", lr=1.5e-4, betas=(0.9, 0.95), weight_decay=0.05, fused=True),
    constructor="GroupedOptimWrapperConstructor",  # no decay of 1-D parameters and biases
    accumulative_counts=1,
)
auto_scale_lr = dict(enable=True, base_batch_size=256)

param_scheduler = dict(type="WarmupCosineLR", warmup=40, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=800, val_interval=20)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

# Pictures of what has been learnt so far: vis_data/vis_image in the run's folder, and the trackers.
# For images with labels there is KNNHook besides, which logs what the features are worth: see docs/probing.md.
custom_hooks = [dict(type="ReconstructionHook", interval=20, num_images=8)]
