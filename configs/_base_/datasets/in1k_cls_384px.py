# At 384 the validation image isn't cut: resized to 384, as MAE does above 224.
_base_ = "./in1k_cls.py"

img_size = (384, 384)

train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[1].size = img_size  # RandomResizedCrop
test_pipeline[1].size, test_pipeline[2].size = img_size[0], img_size  # ResizeShortSide, CenterCrop
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
