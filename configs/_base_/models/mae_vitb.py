# MAE with its paper's decoder: 512 wide, 8 blocks, 16 heads.
model = dict(
    type="MAE",
    data_preprocessor=dict(
        type="ImgDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB, in grey levels
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(type="DeepViT", arch="vit-b", img_size=(224, 224), patch_size=16),
    mask_ratio=0.75,
    decoder_embed_dims=512,
    decoder_depth=8,
    decoder_num_heads=16,
)
