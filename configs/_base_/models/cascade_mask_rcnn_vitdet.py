# Cascade Mask R-CNN as in ViTDet: Mask R-CNN with three box heads, each for a higher overlap, boxes regressed for all
# classes alike. The later stages relabel the first one's sample, and one mask head learns from it. detectron2 gives the
# features a third of each stage's gradient, and the heads the whole of it; under Adam, to which a loss's factor is
# nothing, this is a weight of a third for each stage. That of the masks, one of the first stage's losses, is 1 in all.
_base_ = "./mask_rcnn_vitdet.py"

_all = dict(type="PseudoSampler")  # of the boxes that the stage before has moved

model = dict(
    type="CascadeRCNN",
    roi_head=dict(
        type="mirl_mm.CascadeRoIHead",
        num_stages=3,
        stage_loss_weights=[1 / 3] * 3,
        bbox_head=[
            dict(
                _base_.model.roi_head.bbox_head,
                bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=stds),
                reg_class_agnostic=True,
            )
            for stds in ([0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [1 / 30, 1 / 30, 1 / 15, 1 / 15])
        ],
        mask_head=dict(loss_mask=dict(loss_weight=3.0)),
    ),
    train_cfg=dict(
        rcnn=[
            dict(
                _base_.model.train_cfg.rcnn,
                assigner=dict(
                    _base_.model.train_cfg.rcnn.assigner, pos_iou_thr=overlap, neg_iou_thr=overlap, min_pos_iou=overlap
                ),
                sampler=sampler,
            )
            for overlap, sampler in ((0.5, _base_.model.train_cfg.rcnn.sampler), (0.6, _all), (0.7, _all))
        ]
    ),
)
