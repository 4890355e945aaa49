# Linear probe of DINOv2's frozen ViT-B on ImageNet-1K after MAE's protocol, on the class token. DINOv2's own has
# the mean of the patches beside it, and the best of many rates. Batch 16384 = 8 GPUs x 512 x 4 accumulated.
# Weights: timm fetches them, or --pretrained FILE.
_base_ = [
    "../_base_/models/linear_vitb.py",
    "../_base_/datasets/in1k_linear.py",
    "../_base_/schedules/linear_90e.py",
]

model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmViT",
        model_name="vit_base_patch14_dinov2.lvd142m",
        img_size=(224, 224),
        init_cfg=dict(type="Pretrained", checkpoint="timm"),
    )
)
optim_wrapper = dict(accumulative_counts=4)
