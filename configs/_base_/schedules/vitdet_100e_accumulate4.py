# ViTDet's recipe with each update in four steps, for GPUs that hold a quarter of its images. The runner counts steps.
_base_ = "./vitdet_100e.py"

optim_wrapper = dict(accumulative_counts=4)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=4 * 250 + 1),
    dict(type="MultiStepLR", by_epoch=False, milestones=[4 * 163889, 4 * 177546], gamma=0.1),
]
train_cfg = dict(max_iters=4 * 184375, val_interval=4 * 5000)
default_hooks = dict(checkpoint=dict(interval=4 * 5000))
