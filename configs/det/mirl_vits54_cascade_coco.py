# Cascade Mask R-CNN on vit-s-54, by ViTDet's recipe. Batch 64 = 8 GPUs x 8. Layer decay: 0.7 ** (13 / 55), which
# leaves the lowest layer the rate it has in ViT-B; drop path: ViT-B's.
_base_ = [
    "../_base_/models/cascade_mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e.py",
]

model = dict(backbone=dict(arch="vit-s-54"), neck=dict(in_channels=384))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.92))
activation_checkpointing = True
