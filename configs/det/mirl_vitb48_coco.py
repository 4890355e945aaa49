# Mask R-CNN on vit-b-48, by ViTDet's recipe. Batch 64 = 8 GPUs x 8. Layer decay: 0.8 ** (25 / 49), which leaves the
# lowest layer the rate it has in ViT-L; drop path: ViT-L's.
_base_ = [
    "../_base_/models/mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e.py",
]

model = dict(backbone=dict(arch="vit-b-48", drop_path_rate=0.4))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.89))
activation_checkpointing = True
