# UperNet on generated images, in minutes on two CPU cores, with the encoder of mirl_pretrain_shapes.py: 24 blocks on
# patches of 8 x 8. The data: tools/dataset_converters/generate_shapes.py work_dirs/demo/shapes --size 64 64 --easy
_base_ = "../seg/mirl_vitb_ade20k.py"

data_root = "work_dirs/demo/shapes/ade"
classes = ("background", "circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")
img_size = (64, 64)

model = dict(
    data_preprocessor=dict(size=img_size),
    backbone=dict(
        arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True),
        img_size=img_size,
        patch_size=8,
        out_indices=(5, 11, 17, 23),
        drop_path_rate=0.0,
    ),
    neck=dict(embed_dim=64),
    decode_head=dict(in_channels=[64] * 4, channels=32),
    auxiliary_head=dict(in_channels=64, channels=32),
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
    type="OptimWrapper", optimizer=dict(lr=2e-3), paramwise_cfg=dict(layer_decay=1.0), clip_grad=dict(max_norm=5.0)
)
auto_scale_lr = dict(enable=False)
param_scheduler = [dict(type="mirl_mm.WarmupCosineLR", warmup=100, end=2000, min_ratio=0.01, by_epoch=False)]
train_cfg = dict(max_iters=2000, val_interval=500)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=500))
