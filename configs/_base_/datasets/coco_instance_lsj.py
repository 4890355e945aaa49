# COCO 2017, boxes and masks, with ViTDet's large-scale jitter: flip, resize by 0.1 to 2 of what fits 1024 x 1024, crop.
# Images are padded to 1024 x 1024 by the model, after normalisation. Resizing is Pillow's, which smooths where it
# shrinks, as in detectron2. Masks are polygons, and boxes theirs after the crop: exact, as in detectron2.
data_root = "data/coco"

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mirl_mm.LoadPolygons", with_bbox=True, with_mask=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(1024, 1024), ratio_range=(0.1, 2.0), keep_ratio=True, backend="pillow"),
    dict(
        type="RandomCrop", crop_type="absolute", crop_size=(1024, 1024), recompute_bbox=True, allow_negative_crop=True
    ),
    # An image without objects left stays: all of it is background. An object that was cut off has a box of no size.
    dict(type="FilterAnnotations", min_gt_bbox_wh=(1e-5, 1e-5), keep_empty=False),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1024, 1024), keep_ratio=True, backend="pillow"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
# Test-time augmentation: three sizes, each mirrored, too. None is larger than in training: the model pads all to
# 1024 x 1024, where it learnt objects of every smaller size, while a larger map would stretch its positions.
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=(size, size), keep_ratio=True, backend="pillow") for size in (1024, 896, 768)],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations", with_bbox=True, with_mask=True)],
            [dict(type="PackDetInputs")],
        ],
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="mirl_mm.EndlessSampler", shuffle=True),  # it counts iterations, and resumes exactly
    dataset=dict(
        type="mirl_mm.CocoDataset",  # mmdet's, seeded by the sampler, and strict about what is in the file
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017/"),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    train_dataloader,
    batch_size=1,
    num_workers=4,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mirl_mm.CocoDataset",
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# mmdet's CocoMetric with COCO's own twelve numbers. tools/train.py and tools/test.py give it the annotation file of the
# data set.
val_evaluator = dict(type="mirl_mm.CocoMetric", metric=["bbox", "segm"])
test_evaluator = val_evaluator
