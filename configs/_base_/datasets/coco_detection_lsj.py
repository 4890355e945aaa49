# COCO 2017, boxes only, otherwise as coco_instance_lsj.py.
_base_ = "./coco_instance_lsj.py"

train_pipeline, test_pipeline, tta_pipeline = _base_.train_pipeline, _base_.test_pipeline, _base_.tta_pipeline
train_pipeline[1] = test_pipeline[2] = dict(type="LoadAnnotations", with_bbox=True)
tta_pipeline[1].transforms[2] = [test_pipeline[2]]
del train_pipeline[4].recompute_bbox  # RandomCrop cuts boxes
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric=["bbox"])
test_evaluator = val_evaluator
