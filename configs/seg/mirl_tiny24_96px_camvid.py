# UperNet on street scenes (CamVid, 11 classes), for a laptop or one CPU core: half-size images, crops of 96 x 96, and
# the encoder of configs/pretrain/mirl_tiny24_64px.py, 24 blocks of width 96 on patches of 8 x 8.
# In the data root: {images,annotations}/{training,validation}, masks as ADE20K's: 0 is no label, 1 the first class.
_base_ = "./mirl_vitb_ade20k.py"

data_root = "data/camvid"
classes = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)  # in the order of the masks' values
img_size = (96, 96)
scale = (240, 180)  # width and height that images are made to fit

# Few updates: ViTDet's pyramid with batch norm, and a last layer that starts ten times larger (docs/segmentation.md).
last_layer = dict(type="Normal", std=0.1, override=dict(name="conv_seg"))
model = dict(
    data_preprocessor=dict(size=img_size),
    backbone=dict(
        arch=dict(depth=24, embed_dims=96, num_heads=3, _delete_=True),
        img_size=img_size,
        patch_size=8,
        out_indices=(23,),
        use_rel_pos=False,
        drop_path_rate=0.0,
    ),
    neck=dict(  # strides 4, 8, 16 and 32
        type="mirl_mm.SimpleFPN",
        in_channels=96,
        out_channels=64,
        scales=(2, 1, 0.5),
        num_outs=4,
        norm_cfg=dict(type="BN"),
        _delete_=True,
    ),
    decode_head=dict(in_channels=[64] * 4, channels=64, pool_scales=(1, 2, 3), init_cfg=last_layer),
    auxiliary_head=dict(in_channels=64, channels=64, init_cfg=last_layer),
    test_cfg=dict(crop_size=img_size, stride=(64, 64)),
)

train_pipeline, test_pipeline, tta_pipeline = _base_.train_pipeline, _base_.test_pipeline, _base_.tta_pipeline
train_pipeline[2].update(scale=scale, ratio_range=(0.75, 2.0))  # RandomResize
train_pipeline[3].crop_size = img_size  # RandomCrop
test_pipeline[1].scale = scale  # Resize
tta_pipeline[1].transforms[0] = [
    dict(test_pipeline[1], scale=(int(scale[0] * ratio), int(scale[1] * ratio))) for ratio in (0.75, 1.0, 1.25, 1.5)
]
_data = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(**_data, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(**_data, pipeline=test_pipeline))
test_dataloader = val_dataloader

# float32, since many CPUs have no bfloat16, and a high rate, the same in all layers.
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(lr=1e-3, betas=(0.9, 0.95), fused=True), paramwise_cfg=dict(layer_decay=1.0)
)
auto_scale_lr = dict(enable=False)
param_scheduler = [dict(type="mirl_mm.WarmupCosineLR", warmup=100, min_ratio=0.01, by_epoch=False)]
train_cfg = dict(max_iters=1200, val_interval=400)
