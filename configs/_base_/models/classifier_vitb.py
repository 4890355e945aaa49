# ViT-B, mean of the patch tokens, norm, linear layer; erasing, mixing and smoothing of MAE's and MIRL's fine-tuning.
# Weights of the backbone: tools/train.py --pretrained CHECKPOINT, or init_cfg=dict(type="Pretrained", ...) in backbone.
_base_ = "./imagenet_norm.py"

model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(type="ImgDataPreprocessor"),
    backbone=dict(
        type="DeepViT",
        arch="vit-b",
        img_size=(224, 224),
        patch_size=16,
        pos_embed="learned",
        final_norm=False,  # the norm comes after the mean, in the head
        drop_path_rate=0.1,
    ),
    head=dict(type="LinearClsHead", num_classes=1000, label_smoothing=0.1),
    random_erasing=dict(probability=0.25, mode="pixel"),
    mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0),
)
