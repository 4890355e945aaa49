# Mask R-CNN on generated images, in minutes on two CPU cores, with the encoder of mirl_pretrain_shapes.py: 24 blocks on
# patches of 8 x 8. Images of 128 x 128, objects of 26 to 72 pixels.
_base_ = "../det/mirl_vitb_coco.py"

data_root = "work_dirs/demo/shapes/coco"
classes = ("circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")
img_size = (128, 128)

model = dict(
    data_preprocessor=dict(pad_size_divisor=128),
    backbone=dict(
        arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True),
        img_size=img_size,
        pretrain_img_size=(64, 64),
        patch_size=8,
        window_size=8,
        drop_path_rate=0.0,
    ),
    neck=dict(in_channels=64, out_channels=64, scales=(2, 1, 0.5), num_outs=3),  # strides 4, 8, 16
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[6], strides=[4, 8, 16])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=[4, 8, 16], finest_scale=24),
        bbox_head=dict(in_channels=64, conv_out_channels=64, fc_out_channels=256),
        mask_roi_extractor=dict(out_channels=64, featmap_strides=[4, 8, 16], finest_scale=24),
        mask_head=dict(in_channels=64, conv_out_channels=64),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(sampler=dict(num=48)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100), rcnn=dict(max_per_img=20)),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=img_size, ratio_range=(0.8, 1.25), keep_ratio=True, backend="pillow"),
    dict(type="RandomCrop", crop_type="absolute", crop_size=img_size, recompute_bbox=True, allow_negative_crop=True),
    dict(type="FilterAnnotations", min_gt_bbox_wh=(4, 4), by_mask=True, keep_empty=False),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=img_size, keep_ratio=True, backend="pillow"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=(size, size), keep_ratio=True, backend="pillow") for size in (128, 112, 96)],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations", with_bbox=True, with_mask=True)],
            [dict(type="PackDetInputs")],
        ],
    ),
]
_data = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(**_data, pipeline=train_pipeline))
val_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(**_data, pipeline=test_pipeline))
test_dataloader = val_dataloader

# Little time: float32, since many CPUs have no bfloat16, and a high rate.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay=0.92),
    clip_grad=dict(max_norm=5.0),
)
auto_scale_lr = dict(enable=False)
param_scheduler = [dict(type="mirl_mm.WarmupCosineLR", warmup=100, end=2000, min_ratio=0.01, by_epoch=False)]
train_cfg = dict(max_iters=2000, val_interval=1000)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=500))
