# MIRL pre-training of vit-s, 800 epochs. Batch 4096 = 8 GPUs x 512 x 1 accumulated.
_base_ = [
    "../_base_/models/mirl_vits.py",
    "../_base_/datasets/in1k_pretrain.py",
    "../_base_/schedules/pretrain_800e.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=512)
optim_wrapper = dict(accumulative_counts=1)
