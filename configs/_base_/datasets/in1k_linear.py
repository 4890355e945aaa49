# For the linear probe: crops and flips only.
_base_ = "./in1k_cls.py"

train_pipeline = [
    dict(type="LoadImage"),
    dict(type="RandomResizedCrop", size=(224, 224), scale=(0.08, 1.0), interpolation="bicubic"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
train_dataloader = dict(batch_size=512, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=512)
test_dataloader = val_dataloader
