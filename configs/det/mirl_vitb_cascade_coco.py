# Cascade Mask R-CNN on vit-b, by ViTDet's recipe. Batch 64 = 8 GPUs x 8. ViT-B's layer decay and drop path are
# ViTDet's.
_base_ = [
    "../_base_/models/cascade_mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e.py",
]

model = dict(backbone=dict(arch="vit-b"))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.7))
