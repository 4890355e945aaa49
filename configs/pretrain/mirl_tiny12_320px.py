# A small encoder for images of objects: 12 blocks of width 192, images of 320 x 320, patches of 16 x 16. It is that of
# configs/det/mirl_tiny12_320px_gfl.py. For your own images: --data-root FOLDER, with FOLDER/train and FOLDER/val, or
# the folder of the detector's data; labels are not used.
_base_ = "./mirl_tiny24_64px.py"

data_root = "data/images320"
img_size = (320, 320)
patch_size = 16

model = dict(
    backbone=dict(
        arch=dict(depth=12, embed_dims=192, num_heads=3, _delete_=True), img_size=img_size, patch_size=patch_size
    ),
    decoder_embed_dims=128,
    decoder_num_heads=4,
)

train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[1].size = test_pipeline[2].size = img_size  # RandomResizedCrop, CenterCrop
test_pipeline[1].size = img_size[0]  # ResizeShortSide
train_pipeline[3].patch_size = test_pipeline[3].patch_size = patch_size  # MaskNoise
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

# A few thousand images: the rate is the base's, 6e-3 per 256 images.
param_scheduler = dict(warmup=0.05)
train_cfg = dict(max_epochs=200, val_interval=20)
