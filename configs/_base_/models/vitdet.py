# What all our detectors share: ViT-B as ViTDet's backbone, and its simple feature pyramid.
# Weights of the backbone: tools/train.py --pretrained CHECKPOINT, or init_cfg=dict(type="Pretrained", ...) in backbone.
_base_ = "./imagenet_norm.py"

model = dict(
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        bgr_to_rgb=True,
        pad_size_divisor=1024,  # as images have at most 1024 pixels a side: pad all to 1024 x 1024, after normalisation
    ),
    backbone=dict(
        type="mirl_mm.DeepViT",
        arch="vit-b",
        img_size=(1024, 1024),
        pretrain_img_size=(224, 224),  # absolute positions stay those of the pre-training, resampled in every step
        patch_size=16,
        pos_embed="learned",
        final_norm=False,
        class_token=False,
        window_size=14,  # but the last block of each quarter, which attends globally (global_attn_indexes)
        use_rel_pos=True,
        drop_path_rate=0.1,
    ),
    neck=dict(type="mirl_mm.SimpleFPN", in_channels=768, out_channels=256),
)
