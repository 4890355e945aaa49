# UperNet on vit-s-54, by MAE's recipe. Batch 16 = 8 GPUs x 2. Layer decay: 0.7 ** (13 / 55), which leaves the lowest
# layer the rate it has in a model of 12 blocks with 0.7.
_base_ = [
    "../_base_/models/upernet_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_160k.py",
]

model = dict(
    backbone=dict(arch="vit-s-54", out_indices=(12, 26, 39, 53)),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384] * 4, channels=384),
    auxiliary_head=dict(in_channels=384),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.92))
activation_checkpointing = True
