# Boxes only, for little data and one small GPU or a patient CPU: GFL on 12 blocks of width 192, images of 320 x 320,
# from weights of configs/pretrain/mirl_tiny12_320px.py. For your own data: --data-root and --classes, or a config as
# configs/det/custom_coco.py with this one as _base_. Sizes that have to agree stand once, in the first lines.
_base_ = "./mirl_vitb_gfl_coco.py"

side = 320  # of images, a multiple of 64: patches of 16, and a level of half their number
width = 192  # of the encoder
channels = 128  # of the pyramid and the head
strides = [8, 16, 32, 64]  # of its levels; an object of 8 strides fits one best

model = dict(
    data_preprocessor=dict(pad_size_divisor=side),
    backbone=dict(
        arch=dict(depth=12, embed_dims=width, num_heads=3, _delete_=True),
        img_size=(side, side),
        pretrain_img_size=(side, side),
        window_size=10,  # two windows a side
    ),
    neck=dict(in_channels=width, out_channels=channels, num_outs=len(strides)),
    # The head's layers are shared by the levels: group norm, GFL's own, is right there, and batch norm is not.
    bbox_head=dict(
        in_channels=channels, feat_channels=channels, stacked_convs=2, anchor_generator=dict(strides=strides)
    ),
)

train_pipeline, test_pipeline, tta_pipeline = _base_.train_pipeline, _base_.test_pipeline, _base_.tta_pipeline
train_pipeline[3].update(scale=(side, side), ratio_range=(0.5, 2.0))  # RandomResize
train_pipeline[4].crop_size = test_pipeline[1].scale = (side, side)  # RandomCrop, Resize
tta_pipeline[1].transforms[0] = [dict(test_pipeline[1], scale=(size, size)) for size in (320, 288, 256)]
train_dataloader = dict(batch_size=16, num_workers=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=16, num_workers=2, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# ViTDet's optimiser with a higher rate, as the model is small, 5e-4 for updates of 16 images; float32, since many CPUs
# have no bfloat16: --amp where there is a GPU. --epochs or --iters set the length.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(lr=2e-3),  # per 64 images
    paramwise_cfg=dict(layer_decay=0.8),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = dict(type="mirl_mm.WarmupCosineLR", warmup=0.05, min_ratio=0.01, by_epoch=False, _delete_=True)
train_cfg = dict(max_iters=6000, val_interval=500)
