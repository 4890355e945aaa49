# A folder of images, with or without class folders: labels are not used. Expects data_root/train and data_root/val.
_base_ = "./image_folder.py"

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

train_dataloader = dict(dataset=dict(labelled=False, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(labelled=False, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type="MaskedLoss")
test_evaluator = val_evaluator
