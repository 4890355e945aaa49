# Fine-tuning of vit-b on ImageNet-1K at 224. Batch 2048 = 8 GPUs x 256 x 1 accumulated.
# Epochs, warm-up and drop path are MAE's for 12 blocks (ViT-B), our choice: the paper gives none.
# (MAE's layer decay there is 0.65.)
_base_ = [
    "../_base_/models/classifier_vitb.py",
    "../_base_/datasets/in1k_cls.py",
    "../_base_/schedules/finetune_100e.py",
]

model = dict(backbone=dict(arch="vit-b", drop_path_rate=0.1))
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(accumulative_counts=1)
param_scheduler = dict(warmup=5)
train_cfg = dict(max_epochs=100)
