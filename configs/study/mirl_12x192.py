# The study on a GPU, with twice the width of mirl_24x96.py: for 40,000 images of 64 x 64 pixels and some minutes.
_base_ = "./mirl_24x96.py"

model = dict(
    backbone=dict(arch=dict(depth=12, embed_dims=192, num_heads=6)), decoder_embed_dims=128, decoder_num_heads=4
)
# The same highest rate, 1.5e-3, for an update of four times as many images.
train_dataloader = dict(batch_size=256, num_workers=12)
optim_wrapper = dict(type="Bf16OptimWrapper", optimizer=dict(lr=1.5e-3))
train_cfg = dict(max_epochs=40, val_interval=20)
