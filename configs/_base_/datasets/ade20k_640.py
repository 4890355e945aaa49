# ADE20K, crops of 640 x 640 of images that fit 2560 x 640, otherwise as ade20k_512.py.
_base_ = "./ade20k_512.py"

scale = (2560, 640)

train_pipeline, test_pipeline, tta_pipeline = _base_.train_pipeline, _base_.test_pipeline, _base_.tta_pipeline
train_pipeline[2].scale = test_pipeline[1].scale = scale  # RandomResize, Resize
train_pipeline[3].crop_size = (640, 640)  # RandomCrop
tta_pipeline[1].transforms[0] = [
    dict(type="Resize", scale=(int(scale[0] * ratio), int(scale[1] * ratio)), keep_ratio=True)
    for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
