# MAE pre-training of vit-b-48, 800 epochs: the deep encoder without residual learning.
_base_ = "./mae_vitb_in1k.py"

model = dict(backbone=dict(arch="vit-b-48"))
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=8)
