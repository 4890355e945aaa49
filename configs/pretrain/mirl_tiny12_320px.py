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

train_pipeline = [
    dict(type="LoadImage"),
    dict(type="RandomResizedCrop", size=img_size, scale=(0.2, 1.0), interpolation="bicubic"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="MaskNoise", patch_size=patch_size),
    dict(type="PackInputs"),
]
test_pipeline = [
    dict(type="LoadImage"),
    dict(type="ResizeShortSide", size=img_size[0], interpolation="bicubic"),
    dict(type="CenterCrop", size=img_size),
    dict(type="MaskNoise", patch_size=patch_size),
    dict(type="PackInputs"),
]
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

# A few thousand images: the rate is the base's, 6e-3 per 256 images.
param_scheduler = dict(warmup=0.05)
train_cfg = dict(max_epochs=200, val_interval=20)
