# MAE's linear probe: the backbone is frozen, its class token goes through a batch norm without weights.
_base_ = "./imagenet_norm.py"

model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(type="ImgDataPreprocessor"),
    backbone=dict(type="DeepViT", arch="vit-b", img_size=(224, 224), patch_size=16),
    head=dict(type="LinearProbeHead", num_classes=1000),
    freeze_backbone=True,
)
