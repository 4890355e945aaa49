# As dinov2_vitb_ade20k.py, for ViT-L. Layer decay as of mirl_vitb24_ade20k.py, which has as many blocks.
_base_ = "./dinov2_vitb_ade20k.py"

model = dict(
    backbone=dict(model_name="vit_large_patch14_dinov2.lvd142m", out_indices=(5, 11, 17, 23), drop_path_rate=0.2),
    neck=dict(embed_dim=1024),
    decode_head=dict(in_channels=[1024] * 4, channels=1024),
    auxiliary_head=dict(in_channels=1024),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.8))
