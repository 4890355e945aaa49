# At 384 the validation image isn't cut: resized to 384, as MAE does above 224.
_base_ = "./in1k_cls.py"

img_size = (384, 384)

train_pipeline = [
    dict(type="LoadImage"),
    dict(type="RandomResizedCrop", size=img_size, scale=(0.08, 1.0), interpolation="bicubic"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandAugment", policy="rand-m9-mstd0.5-inc1"),
    dict(type="PackInputs"),
]
test_pipeline = [
    dict(type="LoadImage"),
    dict(type="ResizeShortSide", size=img_size[0], interpolation="bicubic"),
    dict(type="CenterCrop", size=img_size),
    dict(type="PackInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
