# A folder of images, with or without class folders: labels are not used. Expects data_root/train and data_root/val.
data_root = "data/imagenet"
img_size = (224, 224)  # (H, W); the model's backbone.img_size must agree
patch_size = 16

train_pipeline = [
    dict(type="LoadImage"),
    dict(type="RandomResizedCrop", size=img_size, scale=(0.2, 1.0), interpolation="bicubic"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="MaskNoise", patch_size=patch_size),
    dict(type="PackInputs"),
]
test_pipeline = [
    dict(type="LoadImage"),
    dict(type="ResizeShortSide", size=256, interpolation="bicubic"),
    dict(type="CenterCrop", size=img_size),
    dict(type="MaskNoise", patch_size=patch_size),
    dict(type="PackInputs"),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root=data_root, split="train", labelled=False, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root=data_root, split="val", labelled=False, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="MaskedLoss")
test_evaluator = val_evaluator
