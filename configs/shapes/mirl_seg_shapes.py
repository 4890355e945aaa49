# UperNet on generated images, in minutes on two CPU cores, with the encoder of mirl_pretrain_shapes.py: 24 blocks on
# patches of 8 x 8. The data: tools/dataset_converters/generate_shapes.py work_dirs/demo/shapes --size 64 64 --easy
# Other than sizes: less weight on the background, which is 71 % of the pixels. What else minutes of training want is in
# the base, CamVid's (docs/segmentation.md tells why).
_base_ = "../seg/mirl_tiny24_96px_camvid.py"

data_root = "work_dirs/demo/shapes/ade"
classes = ("background", "circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")
img_size = (64, 64)

loss = dict(class_weight=[0.6] + [1.0] * 8)
model = dict(
    data_preprocessor=dict(size=img_size),
    backbone=dict(arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True), img_size=img_size),
    neck=dict(in_channels=64),
    decode_head=dict(pool_scales=(1, 2), loss_decode=loss),  # the smallest map is 2 x 2
    auxiliary_head=dict(loss_decode=loss),
    test_cfg=dict(_delete_=True, mode="whole"),
)

train_pipeline = [_base_.train_pipeline[i] for i in (0, 1, 4, 6)]  # neither resized, cropped nor recoloured
test_pipeline, tta_pipeline = _base_.test_pipeline, _base_.tta_pipeline
test_pipeline[1].scale = img_size  # Resize
tta_pipeline[1].transforms[0] = [dict(test_pipeline[1], scale=(side, side)) for side in (48, 64, 80)]
_data = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(**_data, pipeline=train_pipeline))
val_dataloader = dict(batch_size=50, num_workers=1, dataset=dict(**_data, pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=2e-3), clip_grad=dict(max_norm=5.0))
param_scheduler = [dict(type="mirl_mm.WarmupCosineLR", warmup=50, min_ratio=0.01, by_epoch=False)]
train_cfg = dict(max_iters=1500, val_interval=750)
