# As mirl_vitb48_coco.py on GPUs of 24 GB. Batch 64 = 8 GPUs x 2 x 4 accumulated.
_base_ = [
    "../_base_/models/mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e_accumulate4.py",
]

model = dict(backbone=dict(arch="vit-b-48", drop_path_rate=0.4))
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.89))
activation_checkpointing = True
