# Class folders: data_root/train/<class>/..., data_root/val/<class>/...; labels count the classes by name.
_base_ = "./image_folder.py"

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

# The batch is even and none is left over: mixup takes pairs.
train_dataloader = dict(dataset=dict(labelled=True, pipeline=train_pipeline))
val_dataloader = dict(batch_size=128, dataset=dict(labelled=True, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator
