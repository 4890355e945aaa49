# As dinov2_vitb_ade20k.py, on DINOv3's ViT-B. Its patches are 16 pixels wide: images are seen as they are.
_base_ = "./dinov2_vitb_ade20k.py"

model = dict(backbone=dict(model_name="vit_base_patch16_dinov3.lvd1689m", map_stride=None))
