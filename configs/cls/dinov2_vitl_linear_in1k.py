# As dinov2_vitb_linear_in1k.py, for ViT-L.
_base_ = "./dinov2_vitb_linear_in1k.py"

model = dict(backbone=dict(model_name="vit_large_patch14_dinov2.lvd142m"))
