# DINOv2's linear segmentation: 40,000 updates of 16 images, AdamW at 1e-3 with weight decay 1e-4, a warm-up of 1,500
# and then a straight line to 0.
_base_ = "./ade20k_160k.py"

optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=1e-4),
    constructor="mirl_mm.GroupedOptimWrapperConstructor",  # the backbone, whose layers could decay, is frozen
    paramwise_cfg=dict(_delete_=True),
)
train_cfg = dict(max_iters=40000)
