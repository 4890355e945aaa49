# Cascade Mask R-CNN as in ViTDet: Mask R-CNN with three box heads, each for a higher overlap, boxes regressed for all
# classes alike. The later stages relabel the first one's sample, and one mask head learns from it. detectron2 gives the
# features a third of each stage's gradient, and the heads the whole of it; under Adam, to which a loss's factor is
# nothing, this is a weight of a third for each stage. That of the masks, one of the first stage's losses, is 1 in all.
_base_ = "./mask_rcnn_vitdet.py"

_norm_cfg = dict(type="mirl_mm.LN2d", eps=1e-6)
_sampler = dict(type="RandomSampler", num=512, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True)
_all = dict(type="PseudoSampler")  # of the boxes that the stage before has moved

model = dict(
    type="CascadeRCNN",
    roi_head=dict(
        _delete_=True,
        type="mirl_mm.CascadeRoIHead",
        num_stages=3,
        stage_loss_weights=[1 / 3] * 3,
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=[
            dict(
                type="Shared4Conv1FCBBoxHead",
                in_channels=256,
                conv_out_channels=256,
                fc_out_channels=1024,
                roi_feat_size=7,
                num_classes=80,  # tools/train.py and tools/test.py set it to the number of the data set's classes
                norm_cfg=_norm_cfg,
                bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=stds),
                reg_class_agnostic=True,
                loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type="L1Loss", loss_weight=1.0),
            )
            for stds in ([0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [1 / 30, 1 / 30, 1 / 15, 1 / 15])
        ],
        mask_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type="mirl_mm.FCNMaskHead",
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=80,
            norm_cfg=_norm_cfg,
            loss_mask=dict(type="CrossEntropyLoss", use_mask=True, loss_weight=3.0),
        ),
    ),
    train_cfg=dict(
        rcnn=[
            dict(
                assigner=dict(
                    type="MaxIoUAssigner",
                    pos_iou_thr=overlap,
                    neg_iou_thr=overlap,
                    min_pos_iou=overlap,
                    match_low_quality=False,
                    ignore_iof_thr=-1,
                ),
                sampler=sampler,
                mask_size=28,
                pos_weight=-1,
                debug=False,
            )
            for overlap, sampler in ((0.5, _sampler), (0.6, _all), (0.7, _all))
        ]
    ),
)
