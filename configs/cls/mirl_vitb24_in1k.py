# Fine-tuning of vit-b-24 on ImageNet-1K at 224. Batch 2048 = 8 GPUs x 128 x 2 accumulated.
# Epochs, warm-up and drop path are MAE's for 24 blocks (ViT-L), our choice: the paper gives none.
# (MAE's layer decay there is 0.75.)
_base_ = [
    "../_base_/models/classifier_vitb.py",
    "../_base_/datasets/in1k_cls.py",
    "../_base_/schedules/finetune_100e.py",
]

model = dict(backbone=dict(arch="vit-b-24", drop_path_rate=0.2))
train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=2)
param_scheduler = dict(warmup=5)
train_cfg = dict(max_epochs=50)
