# As dinov2_vitb_coco.py, for ViT-L. Layer decay and drop path are ViTDet's for 24 blocks.
_base_ = "./dinov2_vitb_coco.py"

model = dict(
    backbone=dict(model_name="vit_large_patch14_dinov2.lvd142m", drop_path_rate=0.4), neck=dict(in_channels=1024)
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.8))
