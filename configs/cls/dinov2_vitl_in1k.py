# As dinov2_vitb_in1k.py, for ViT-L. Batch 2048 = 8 GPUs x 64 x 4 accumulated. Layer decay and drop path are MAE's for
# 24 blocks.
_base_ = "./dinov2_vitb_in1k.py"

model = dict(backbone=dict(model_name="vit_large_patch14_dinov2.lvd142m", drop_path_rate=0.2))
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.75), accumulative_counts=4)
