# UperNet on vit-b, by MAE's recipe. Batch 16 = 8 GPUs x 2. Layer decay 0.7, as in detection; mmseg's config of MAE's
# ViT-B has 0.65, its authors report 0.8 with a smaller rate.
_base_ = [
    "../_base_/models/upernet_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_160k.py",
]

model = dict(backbone=dict(arch="vit-b"))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.7))
