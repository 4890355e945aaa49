# Mask R-CNN on generated images, in minutes on two CPU cores, with the encoder of mirl_pretrain_shapes.py: 24 blocks on
# patches of 8 x 8. The data: tools/dataset_converters/generate_shapes.py work_dirs/demo/shapes --size 64 64 --easy
# Other than sizes, this has batch norm where ViTDet has LayerNorm, and larger weights for the classes' scores to start
# with: in minutes it learns far more (docs/results.md). Batch norm is in the pyramid, whose levels have layers of their
# own, and in heads on regions; in a head whose layers all levels share it would be wrong (docs/detection.md, Norms).
_base_ = "../det/mirl_vitb_coco.py"

data_root = "work_dirs/demo/shapes/coco"
classes = ("circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")
img_size = (64, 64)
norm_cfg = dict(type="BN", _delete_=True)
box_head_init = [  # mmdet's, but for the classes' scores: with its std of 0.01 they differ too little to learn soon
    dict(type="Normal", std=0.1, override=dict(name="fc_cls")),
    dict(type="Normal", std=0.001, override=dict(name="fc_reg")),
    dict(type="Xavier", distribution="uniform", override=dict(name="shared_fcs")),
]

model = dict(
    data_preprocessor=dict(pad_size_divisor=64),
    backbone=dict(
        arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True),
        img_size=img_size,
        pretrain_img_size=img_size,
        patch_size=8,
        window_size=4,
        drop_path_rate=0.0,
    ),
    neck=dict(in_channels=64, out_channels=64, scales=(2, 1), num_outs=2, norm_cfg=dict(type="BN")),  # strides 4 and 8
    rpn_head=dict(in_channels=64, feat_channels=64, num_convs=1, anchor_generator=dict(scales=[6], strides=[4, 8])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=[4, 8], finest_scale=24),
        bbox_head=dict(
            type="ConvFCBBoxHead",
            num_shared_convs=1,
            num_shared_fcs=1,
            in_channels=64,
            conv_out_channels=64,
            fc_out_channels=256,
            norm_cfg=norm_cfg,
            init_cfg=box_head_init,
        ),
        mask_roi_extractor=dict(
            roi_layer=dict(output_size=7), out_channels=64, featmap_strides=[4, 8], finest_scale=24
        ),
        mask_head=dict(num_convs=1, in_channels=64, conv_out_channels=64, norm_cfg=norm_cfg),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(sampler=dict(num=24, pos_fraction=0.4), mask_size=14),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100), rcnn=dict(max_per_img=20)),
)

train_pipeline = [
    step for step in _base_.train_pipeline if step.type in ("LoadImageFromFile", "RandomFlip", "PackDetInputs")
]
test_pipeline, tta_pipeline = _base_.test_pipeline, _base_.tta_pipeline
train_pipeline.insert(1, test_pipeline[2])  # LoadAnnotations: masks as pixels
test_pipeline[1].scale = img_size  # Resize
tta_pipeline[1].transforms[0] = [dict(test_pipeline[1], scale=(side, side)) for side in (64, 56, 48)]
_data = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(**_data, pipeline=train_pipeline))
val_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(**_data, pipeline=test_pipeline))
test_dataloader = val_dataloader

# Little time: float32, since many CPUs have no bfloat16, and a high rate, the same in all layers.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay=1.0),
    clip_grad=dict(max_norm=5.0),
)
auto_scale_lr = dict(enable=False)
param_scheduler = [dict(type="mirl_mm.WarmupCosineLR", warmup=100, min_ratio=0.01, by_epoch=False)]
train_cfg = dict(max_iters=600, val_interval=300)
