# MAE with the encoder, data and schedule of mirl_12x192.py.
_base_ = "./mae_24x96.py"

model = dict(
    backbone=dict(arch=dict(depth=12, embed_dims=192, num_heads=6)),
    decoder_embed_dims=128,
    decoder_depth=7,
    decoder_num_heads=4,
)
train_dataloader = dict(batch_size=256, num_workers=12)
optim_wrapper = dict(type="Bf16OptimWrapper", optimizer=dict(lr=1.5e-3))
train_cfg = dict(max_epochs=40, val_interval=20)
