# UperNet on generated images, in minutes on two CPU cores, with the encoder of mirl_pretrain_shapes.py: 24 blocks on
# patches of 8 x 8. The data: tools/dataset_converters/generate_shapes.py work_dirs/demo/shapes --size 64 64 --easy
# Other than sizes, what minutes of training want (docs/segmentation.md): ViTDet's pyramid with batch norm, a last layer
# that starts ten times larger, and less weight on the background, which is 71 % of the pixels.
_base_ = "../seg/mirl_vitb_ade20k.py"

data_root = "work_dirs/demo/shapes/ade"
classes = ("background", "circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")
img_size = (64, 64)

last_layer = dict(type="Normal", std=0.1, override=dict(name="conv_seg"))
class_weight = [0.6] + [1.0] * 8
model = dict(
    data_preprocessor=dict(size=img_size),
    backbone=dict(
        arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True),
        img_size=img_size,
        patch_size=8,
        out_indices=(23,),
        use_rel_pos=False,
        drop_path_rate=0.0,
    ),
    neck=dict(  # strides 4, 8, 16 and 32
        type="mirl_mm.SimpleFPN",
        in_channels=64,
        out_channels=64,
        scales=(2, 1, 0.5),
        num_outs=4,
        norm_cfg=dict(type="BN"),
        _delete_=True,
    ),
    decode_head=dict(
        in_channels=[64] * 4,
        channels=64,
        pool_scales=(1, 2),  # the smallest map is 2 x 2
        init_cfg=last_layer,
        loss_decode=dict(class_weight=class_weight),
    ),
    auxiliary_head=dict(in_channels=64, channels=64, init_cfg=last_layer, loss_decode=dict(class_weight=class_weight)),
    test_cfg=dict(_delete_=True, mode="whole"),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mirl_mm.LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=img_size, keep_ratio=True),
    dict(type="mirl_mm.LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=(side, side), keep_ratio=True) for side in (48, 64, 80)],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="mirl_mm.LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
_data = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(**_data, pipeline=train_pipeline))
val_dataloader = dict(batch_size=50, num_workers=1, dataset=dict(**_data, pipeline=test_pipeline))
test_dataloader = val_dataloader

# Little time: float32, since many CPUs have no bfloat16, and a high rate, the same in all layers.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(lr=2e-3, betas=(0.9, 0.95), fused=True),
    paramwise_cfg=dict(layer_decay=1.0),
    clip_grad=dict(max_norm=5.0),
)
auto_scale_lr = dict(enable=False)
param_scheduler = [dict(type="mirl_mm.WarmupCosineLR", warmup=50, end=1500, min_ratio=0.01, by_epoch=False)]
train_cfg = dict(max_iters=1500, val_interval=750)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=750))
