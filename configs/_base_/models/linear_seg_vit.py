# A linear classifier of each patch's features, the backbone frozen as it was pre-trained: class token, fixed positions
# (resampled), final norm. To compare backbones; it learns in a fraction of UperNet's time.
_base_ = "./imagenet_norm.py"

model = dict(
    type="mirl_mm.EncoderDecoder",
    freeze_backbone=True,
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        bgr_to_rgb=True,
        size=(512, 512),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(type="mirl_mm.DeepViT", arch="vit-b", img_size=(512, 512), patch_size=16),
    decode_head=dict(
        type="mirl_mm.LinearHead",
        in_channels=768,
        num_classes=150,  # tools/train.py and tools/test.py set it to the number of the data set's classes
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(341, 341)),
)
