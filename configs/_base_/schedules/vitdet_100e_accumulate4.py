# ViTDet's recipe with each update in four steps, for GPUs that hold a quarter of its images. The runner counts steps.
_base_ = "./vitdet_100e.py"

optim_wrapper = dict(accumulative_counts=4)
param_scheduler = dict(warmup=4 * _base_.param_scheduler.warmup)
train_cfg = dict(max_iters=4 * _base_.train_cfg.max_iters, val_interval=4 * _base_.train_cfg.val_interval)
