# MIRL on generated images, in minutes on two CPU cores: 24 blocks in six segments. `make demo` runs it.
_base_ = "../pretrain/mirl_tiny24_64px.py"

data_root = "work_dirs/demo/shapes/folder"

model = dict(
    backbone=dict(arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True)),
    decoder_embed_dims=64,
    decoder_num_heads=2,
)

# Little time: small batches give more updates from it, and the rate is high for each of them, 1.5e-3.
train_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(data_root=data_root))
val_dataloader = dict(batch_size=100, num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2.4e-2))  # per 256 images
param_scheduler = dict(warmup=1)
train_cfg = dict(max_epochs=7, val_interval=7)

default_hooks = dict(logger=dict(interval=25))
custom_hooks = [dict(type="ReconstructionHook", interval=2, num_images=8)]
