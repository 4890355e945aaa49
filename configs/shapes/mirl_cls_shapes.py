# Classification of generated images (which shape is the largest), with the encoder of mirl_pretrain_shapes.py.
_base_ = "../cls/mirl_tiny24_64px.py"

data_root = "work_dirs/demo/shapes/folder"

model = dict(backbone=dict(arch=dict(depth=24, embed_dims=64, num_heads=2, _delete_=True)), head=dict(num_classes=8))

train_dataloader = dict(batch_size=32, num_workers=1, dataset=dict(data_root=data_root))
val_dataloader = dict(batch_size=100, num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
param_scheduler = dict(warmup=1, end=8)
train_cfg = dict(max_epochs=8)
