# ADE20K's 150 classes (SceneParsing, ADEChallengeData2016), crops of 512 x 512, as in mmseg: resize so that the image
# fits 2048 x 512 times 0.5 to 2, crop so that no class has more than 75 % of the labelled pixels, flip, change colours.
# Smaller images are padded by the model, after normalisation.
data_root = "data/ade/ADEChallengeData2016"
scale = (2048, 512)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mirl_mm.LoadAnnotations"),  # mmseg's, checking each mask
    dict(
        type="RandomResize",
        resize_type="mirl_mm.CentredResize",  # labels, too
        scale=scale,
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
    ),
    dict(type="RandomCrop", crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="mirl_mm.LoadAnnotations"),  # after Resize: scores are brought to the mask's size
    dict(type="PackSegInputs"),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="mirl_mm.EndlessSampler", shuffle=True),  # it counts iterations, and resumes exactly
    dataset=dict(
        type="mirl_mm.ADE20KDataset",  # mmseg's, seeded by the sampler, and strict about its files
        data_root=data_root,
        data_prefix=dict(img_path="images/training", seg_map_path="annotations/training"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    train_dataloader,
    batch_size=1,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mirl_mm.ADE20KDataset",
        data_root=data_root,
        data_prefix=dict(img_path="images/validation", seg_map_path="annotations/validation"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="mirl_mm.IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator

# Several sizes and both directions, probabilities averaged: tools/test.py --tta.
tta_model = dict(type="SegTTAModel")
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
