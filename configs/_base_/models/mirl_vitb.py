# ViT-B: 12 blocks of width 768; decoders 512 wide, 2 blocks, 16 heads (paper: the decoders of ViT-B-48).
model = dict(
    type="MIRL",
    data_preprocessor=dict(
        type="ImgDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB, in grey levels
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(type="DeepViT", arch="vit-b", img_size=(224, 224), patch_size=16),
    num_segments=6,
    mask_ratio=0.75,
    decoder_embed_dims=512,
    decoder_depth=2,
    decoder_num_heads=16,
)
