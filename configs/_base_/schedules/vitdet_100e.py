# ViTDet's recipe: 100 epochs of COCO in updates of 64 images, AdamW with layer-wise decay, bfloat16.
# lr is per 64 images; tools/train.py multiplies it by (processes x batch_size x accumulative_counts) / 64.
_base_ = "../det_runtime.py"

optim_wrapper = dict(
    type="mirl_mm.Bf16OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1),
    constructor="mirl_mm.LayerDecayOptimWrapperConstructor",
    # Without weight decay are the encoder's norms and the absolute positions only: in detectron2 biases do have it, and
    # so do LayerNorms of neck and heads, whose class its exemption of norms misses.
    paramwise_cfg=dict(layer_decay=0.7, bias_decay=True, ln2d_decay=True),
)
auto_scale_lr = dict(enable=True, base_batch_size=64)

# The rate falls at 8/9 and 26/27 of the length, iterations 163,889 and 177,546.
param_scheduler = dict(
    type="mirl_mm.WarmupStepLR", warmup=250, start_factor=0.001, milestones=[8 / 9, 26 / 27], gamma=0.1, by_epoch=False
)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=184375, val_interval=5000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
