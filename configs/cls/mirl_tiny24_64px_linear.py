# Linear probe of pretrain/mirl_tiny24_64px.py's encoder on a small set, for two CPU cores.
_base_ = "./mirl_vits_linear_in1k.py"

data_root = "data/images64"
img_size = (64, 64)

model = dict(
    backbone=dict(arch=dict(depth=24, embed_dims=96, num_heads=3, _delete_=True), img_size=img_size, patch_size=8),
    head=dict(num_classes=20),
)

train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[1].update(size=img_size, scale=(0.3, 1.0))  # RandomResizedCrop
test_pipeline[1].size, test_pipeline[2].size = img_size[0], img_size  # ResizeShortSide, CenterCrop
train_dataloader = dict(batch_size=256, num_workers=2, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(batch_size=256, num_workers=2, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

# ImageNet's 6.4 (0.1 per 256 x 16384) as it stands: a step of LARS is relative to the weight, and few images make few.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(lr=6.4), accumulative_counts=1)
param_scheduler = dict(warmup=2)
train_cfg = dict(max_epochs=30)
