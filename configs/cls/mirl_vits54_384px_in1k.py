# Fine-tuning of vit-s-54 on ImageNet-1K at 384, from 224. Batch 2048 = 8 GPUs x 64 x 4 accumulated.
_base_ = [
    "../_base_/models/classifier_vitb.py",
    "../_base_/datasets/in1k_cls_384px.py",
    "../_base_/schedules/finetune_384px_10e.py",
]

model = dict(backbone=dict(arch="vit-s-54", img_size=(384, 384), drop_path_rate=0.1))
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=4)
