# What MIRL and MAE share: ViT-B (12 blocks of width 768), ImageNet normalisation, a quarter of the patches visible.
model = dict(
    data_preprocessor=dict(
        type="ImgDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB, in grey levels
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(type="DeepViT", arch="vit-b", img_size=(224, 224), patch_size=16),
    mask_ratio=0.75,
)
