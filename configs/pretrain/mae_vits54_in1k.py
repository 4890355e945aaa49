# MAE pre-training of vit-s-54, 800 epochs: the deep encoder without residual learning.
_base_ = "./mae_vitb_in1k.py"

model = dict(backbone=dict(arch="vit-s-54"))
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(accumulative_counts=2)
