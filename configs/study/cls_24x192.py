# Fine-tuning of the encoders of 24 blocks and width 192, for a GPU; see mirl_12x192.py.
_base_ = "./cls_24x96.py"

model = dict(backbone=dict(arch=dict(embed_dims=192, num_heads=6)), head=dict(num_classes=80))
train_dataloader = dict(batch_size=256, num_workers=12)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
