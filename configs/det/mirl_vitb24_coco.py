# Mask R-CNN on vit-b-24, by ViTDet's recipe. Batch 64 = 8 GPUs x 8. Layer decay and drop path are ViTDet's for as
# many blocks (ViT-L).
_base_ = [
    "../_base_/models/mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e.py",
]

model = dict(backbone=dict(arch="vit-b-24", drop_path_rate=0.4))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.8))
activation_checkpointing = True
