# A linear head on the frozen vit-b-48, by DINOv2's recipe. Batch 16 = 8 GPUs x 2.
_base_ = [
    "../_base_/models/linear_seg_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_linear_40k.py",
]

model = dict(backbone=dict(arch="vit-b-48"))
