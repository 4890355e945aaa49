# Loaders of images in data_root/train and data_root/val; the files beside this one add labels, pipelines and metrics.
data_root = "data/imagenet"

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="ImageFolder", data_root=data_root, split="train"),
)
val_dataloader = dict(
    train_dataloader,
    drop_last=False,
    sampler=dict(type="EpochSampler", shuffle=False),
    dataset=dict(type="ImageFolder", data_root=data_root, split="val"),
)
test_dataloader = val_dataloader
