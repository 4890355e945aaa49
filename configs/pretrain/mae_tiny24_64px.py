# MAE with the encoder, data and schedule of mirl_tiny24_64px.py, to compare. Its decoder has the 8 blocks of the paper.
_base_ = "./mirl_tiny24_64px.py"

model = dict(
    _delete_=True,
    type="MAE",
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=_base_.model.backbone,
    decoder_embed_dims=64,
    decoder_depth=8,
    decoder_num_heads=2,
    mask_ratio=_base_.model.mask_ratio,
)
