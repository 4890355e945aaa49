# Class folders: data_root/train/<class>/..., data_root/val/<class>/...; labels count the classes by name.
data_root = "data/imagenet"
img_size = (224, 224)  # (H, W); the model's backbone.img_size must agree

train_pipeline = [
    dict(type="LoadImage"),
    dict(type="RandomResizedCrop", size=img_size, scale=(0.08, 1.0), interpolation="bicubic"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandAugment", policy="rand-m9-mstd0.5-inc1"),
    dict(type="PackInputs"),
]
test_pipeline = [
    dict(type="LoadImage"),
    dict(type="ResizeShortSide", size=256, interpolation="bicubic"),
    dict(type="CenterCrop", size=img_size),
    dict(type="PackInputs"),
]

train_dataloader = dict(
    batch_size=64,  # even: mixup takes pairs
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root=data_root, split="train", labelled=True, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    sampler=dict(type="EpochSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root=data_root, split="val", labelled=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator
