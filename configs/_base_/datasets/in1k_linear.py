# For the linear probe: crops and flips only.
_base_ = "./in1k_cls.py"

train_pipeline = [step for step in _base_.train_pipeline if step.type != "RandAugment"]
train_dataloader = dict(batch_size=512, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=512)
test_dataloader = val_dataloader
