# As dinov2_vitb_linear_in1k.py, on DINOv3's ViT-B.
_base_ = "./dinov2_vitb_linear_in1k.py"

model = dict(backbone=dict(model_name="vit_base_patch16_dinov3.lvd1689m"))
