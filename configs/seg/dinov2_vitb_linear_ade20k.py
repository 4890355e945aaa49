# A linear head on DINOv2's frozen ViT-B, by DINOv2's recipe. Batch 16 = 8 GPUs x 2. Crops of 512 x 512 are padded to
# 37 x 37 patches of 14.
# Weights: timm fetches them, or --pretrained FILE.
_base_ = [
    "../_base_/models/linear_seg_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_linear_40k.py",
]

model = dict(
    backbone=dict(
        _delete_=True,
        type="mirl_mm.TimmViT",
        model_name="vit_base_patch14_dinov2.lvd142m",
        img_size=(512, 512),
        init_cfg=dict(type="Pretrained", checkpoint="timm"),
    )
)
