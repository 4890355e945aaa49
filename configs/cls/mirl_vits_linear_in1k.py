# Linear probe of vit-s on ImageNet-1K after MAE's protocol. Batch 16384 = 8 GPUs x 512 x 4 accumulated.
_base_ = [
    "../_base_/models/linear_vitb.py",
    "../_base_/datasets/in1k_linear.py",
    "../_base_/schedules/linear_90e.py",
]

model = dict(backbone=dict(arch="vit-s"))
optim_wrapper = dict(accumulative_counts=4)
