# Fine-tuning of vit-b-48 on ImageNet-1K at 224. Batch 2048 = 8 GPUs x 64 x 4 accumulated.
# Epochs, warm-up and drop path are those of the paper.
_base_ = [
    "../_base_/models/classifier_vitb.py",
    "../_base_/datasets/in1k_cls.py",
    "../_base_/schedules/finetune_100e.py",
]

model = dict(backbone=dict(arch="vit-b-48", drop_path_rate=0.0))
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=4)
param_scheduler = dict(warmup=30)
train_cfg = dict(max_epochs=60)
