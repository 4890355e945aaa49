# A one-stage detector on the same backbone and pyramid: GFL (Li et al., "Generalized Focal Loss"), boxes only. Its
# levels have strides 8 to 128.
_base_ = "./vitdet.py"

model = dict(
    type="GFL",
    neck=dict(scales=(2, 1, 0.5), num_outs=5),
    bbox_head=dict(
        type="GFLHead",
        num_classes=80,  # tools/train.py and tools/test.py set it to the number of the data set's classes
        in_channels=256,
        stacked_convs=4,
        feat_channels=256,
        anchor_generator=dict(
            type="AnchorGenerator", ratios=[1.0], octave_base_scale=8, scales_per_octave=1, strides=[8, 16, 32, 64, 128]
        ),
        loss_cls=dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_dfl=dict(type="DistributionFocalLoss", loss_weight=0.25),
        reg_max=16,
        loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
    ),
    train_cfg=dict(assigner=dict(type="ATSSAssigner", topk=9), allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=0.05,
        nms=dict(type="nms", iou_threshold=0.6),
        max_per_img=100,
    ),
)
# Test-time augmentation merges what the versions of an image show as test_cfg does within one of them.
tta_model = dict(type="mirl_mm.DetTTAModel", tta_cfg=dict(nms=dict(type="nms", iou_threshold=0.6), max_per_img=100))
