# A deep, narrow encoder for a laptop or two CPU cores: 24 blocks of width 96, images of 64 x 64, patches of 8 x 8.
# For your own images: --data-root FOLDER, with FOLDER/train and FOLDER/val.
_base_ = "./mirl_vits_in1k.py"

data_root = "data/images64"
img_size = (64, 64)
patch_size = 8

model = dict(
    backbone=dict(
        arch=dict(depth=24, embed_dims=96, num_heads=3, _delete_=True), img_size=img_size, patch_size=patch_size
    ),
    decoder_embed_dims=64,
    decoder_num_heads=2,
)

train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[1].size = test_pipeline[2].size = img_size  # RandomResizedCrop, CenterCrop
test_pipeline[1].size = img_size[0]  # ResizeShortSide
train_pipeline[3].patch_size = test_pipeline[3].patch_size = patch_size  # MaskNoise
train_dataloader = dict(batch_size=64, num_workers=2, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(batch_size=64, num_workers=2, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

# Few images: a higher rate per image than ImageNet's, no accumulation, and float32 since many CPUs have no bfloat16.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(lr=6e-3), accumulative_counts=1)
param_scheduler = dict(warmup=1)
train_cfg = dict(max_epochs=20, val_interval=5)
