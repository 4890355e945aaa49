# MAE with the encoder, data and schedule of mirl_tiny24_64px.py, to compare. Its decoder has the 8 blocks of the paper.
_base_ = "./mirl_tiny24_64px.py"

model = dict(
    _delete_=True,
    type="MAE",
    data_preprocessor=dict(type="ImgDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(type="DeepViT", arch=dict(depth=24, embed_dims=96, num_heads=3), img_size=(64, 64), patch_size=8),
    decoder_embed_dims=64,
    decoder_depth=8,
    decoder_num_heads=2,
    mask_ratio=0.75,
)
