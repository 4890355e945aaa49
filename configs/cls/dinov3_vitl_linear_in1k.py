# As dinov2_vitl_linear_in1k.py, on DINOv3's ViT-L.
_base_ = "./dinov2_vitl_linear_in1k.py"

model = dict(backbone=dict(model_name="vit_large_patch16_dinov3.lvd1689m"))
