# As mirl_vitb_coco.py on GPUs of 24 GB. Batch 64 = 8 GPUs x 2 x 4 accumulated, blocks recomputed.
_base_ = [
    "../_base_/models/mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e_accumulate4.py",
]

model = dict(backbone=dict(arch="vit-b"))
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.7))
activation_checkpointing = True
