# GFL, a one-stage detector, on vit-b, by ViTDet's recipe. Batch 64 = 8 GPUs x 8.
_base_ = [
    "../_base_/models/gfl_vitdet.py",
    "../_base_/datasets/coco_detection_lsj.py",
    "../_base_/schedules/vitdet_100e.py",
]
