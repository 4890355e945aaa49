# Classification of generated images, which shape is the largest, with the encoder of mirl_pretrain_shapes.py.
# The data: tools/dataset_converters/generate_shapes.py work_dirs/demo/shapes --size 64 64 --easy
_base_ = "../cls/mirl_tiny24_64px.py"

data_root = "work_dirs/demo/shapes/folder"

model = dict(
    backbone=dict(arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True), drop_path_rate=0.0),
    head=dict(type="LinearProbeHead", num_classes=8, pool="avg", init_std=0.05),
)

# No crops: they change which shape is the largest.
train_pipeline = [step for step in _base_.train_pipeline if step.type != "RandomResizedCrop"]
train_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(batch_size=100, num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader

# Little time: small batches give more updates from it, and the rate is high, 5e-4, and the same in all layers.
optim_wrapper = dict(optimizer=dict(lr=8e-3), paramwise_cfg=dict(layer_decay=1.0))  # per 256 images
param_scheduler = dict(warmup=0.05)
train_cfg = dict(max_epochs=2)
