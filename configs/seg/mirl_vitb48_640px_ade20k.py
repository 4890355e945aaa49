# As mirl_vitb48_ade20k.py, with crops of 640 x 640. Batch 16 = 8 GPUs x 2.
_base_ = [
    "../_base_/models/upernet_vit.py",
    "../_base_/datasets/ade20k_640.py",
    "../_base_/schedules/ade20k_160k.py",
]

model = dict(
    data_preprocessor=dict(size=(640, 640)),
    backbone=dict(arch="vit-b-48", img_size=(640, 640), out_indices=(11, 23, 35, 47)),
    test_cfg=dict(crop_size=(640, 640), stride=(426, 426)),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.89))
activation_checkpointing = True
