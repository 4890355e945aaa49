# UperNet on a ViT, as in MAE and BEiT (mmseg's configs/mae): features after the last block of each quarter, brought to
# strides 4, 8, 16 and 32; a UPerHead as wide as the encoder; an FCN head on the third map helps in training.
# Weights of the backbone: tools/train.py --pretrained CHECKPOINT, or init_cfg=dict(type="Pretrained", ...) in backbone.
#
# The pyramid is mmseg's Feature2Pyramid, not our SimpleFPN: it is the recipe's, and takes the maps of four depths, each
# to its own scale, where SimpleFPN makes all scales from the last map, and 256 channels of each.
_base_ = "./imagenet_norm.py"

norm_cfg = dict(type="BN")  # synchronised in a run of several processes: sync_bn in the schedule

model = dict(
    type="mirl_mm.EncoderDecoder",  # mmseg's, for images of any size
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        bgr_to_rgb=True,
        size=(512, 512),  # to which training images are padded, masks with seg_pad_val
        pad_val=0,
        seg_pad_val=255,
    ),
    # All blocks attend to the whole map. Relative positions, zero at first, are MAE's choice for this task (section
    # A.4); ours are ViTDet's decomposed ones, which need no table for the class token, and so there is none.
    backbone=dict(
        type="mirl_mm.DeepViT",
        arch="vit-b",
        img_size=(512, 512),  # the pre-training's positions are resampled to it once, and learnt
        patch_size=16,
        out_indices=(2, 5, 8, 11),
        pos_embed="learned",
        final_norm=False,
        class_token=False,
        use_rel_pos=True,
        drop_path_rate=0.1,
    ),
    neck=dict(type="Feature2Pyramid", embed_dim=768, rescales=[4, 2, 1, 0.5], norm_cfg=norm_cfg),
    decode_head=dict(
        type="UPerHead",
        in_channels=[768] * 4,
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=768,
        dropout_ratio=0.1,
        num_classes=150,  # tools/train.py and tools/test.py set it to the number of the data set's classes
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_channels=768,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.4),
    ),
    train_cfg=dict(),
    # Windows of the training's size, two thirds of it apart; dict(mode="whole") predicts images as they are.
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(341, 341)),
)
