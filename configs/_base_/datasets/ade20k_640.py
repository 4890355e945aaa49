# ADE20K, crops of 640 x 640 of images that fit 2560 x 640, otherwise as ade20k_512.py.
_base_ = "./ade20k_512.py"

scale = (2560, 640)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mirl_mm.LoadAnnotations"),
    dict(
        type="RandomResize",
        resize_type="mirl_mm.CentredResize",  # labels, too
        scale=scale,
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
    ),
    dict(type="RandomCrop", crop_size=(640, 640), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="mirl_mm.LoadAnnotations"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(scale[0] * ratio), int(scale[1] * ratio)), keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="mirl_mm.LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
