# MAE pre-training of vit-b, 800 epochs, for comparison. Batch 4096 = 8 GPUs x 256 x 2 accumulated.
_base_ = [
    "../_base_/models/mae_vitb.py",
    "../_base_/datasets/in1k_pretrain.py",
    "../_base_/schedules/pretrain_800e.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=256)
optim_wrapper = dict(accumulative_counts=2)
