# UperNet on vit-b-24, by MAE's recipe. Batch 16 = 8 GPUs x 2. Layer decay: 0.8, as in detection for as many blocks.
_base_ = [
    "../_base_/models/upernet_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_160k.py",
]

model = dict(backbone=dict(arch="vit-b-24", out_indices=(5, 11, 17, 23)))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.8))
activation_checkpointing = True
