# MAE's linear probe: the backbone is frozen, its class token goes through a batch norm without weights.
model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(
        type="ImgDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB, in grey levels
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(type="DeepViT", arch="vit-b", img_size=(224, 224), patch_size=16),
    head=dict(type="LinearProbeHead", num_classes=1000),
    freeze_backbone=True,
)
