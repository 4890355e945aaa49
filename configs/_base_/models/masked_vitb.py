# What MIRL and MAE share: ViT-B (12 blocks of width 768), ImageNet normalisation, a quarter of the patches visible.
_base_ = "./imagenet_norm.py"

model = dict(
    data_preprocessor=dict(type="ImgDataPreprocessor"),
    backbone=dict(type="DeepViT", arch="vit-b", img_size=(224, 224), patch_size=16),
    mask_ratio=0.75,
)
