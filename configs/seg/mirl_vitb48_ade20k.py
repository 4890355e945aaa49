# UperNet on vit-b-48, by MAE's recipe. Batch 16 = 8 GPUs x 2. Layer decay: 0.8 ** (25 / 49), which leaves the lowest
# layer the rate it has in a model of 24 blocks with 0.8.
_base_ = [
    "../_base_/models/upernet_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_160k.py",
]

model = dict(backbone=dict(arch="vit-b-48", out_indices=(11, 23, 35, 47)))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.89))
activation_checkpointing = True
