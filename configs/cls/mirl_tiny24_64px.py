# Fine-tuning of pretrain/mirl_tiny24_64px.py's encoder on a small set, for two CPU cores: 24 blocks, 64 x 64 pixels.
# For your own images: --data-root FOLDER, with FOLDER/train/<class> and FOLDER/val/<class>, and as many classes in
# --cfg-options model.head.num_classes=...
_base_ = "./mirl_vits_in1k.py"

data_root = "data/images64"
img_size = (64, 64)

model = dict(
    backbone=dict(
        arch=dict(depth=24, embed_dims=96, num_heads=3, _delete_=True),
        img_size=img_size,
        patch_size=8,
        drop_path_rate=0.1,
    ),
    head=dict(num_classes=20),
    random_erasing=None,
    mixup=None,
)

train_pipeline = [step for step in _base_.train_pipeline if step.type != "RandAugment"]
train_pipeline[1].update(size=img_size, scale=(0.3, 1.0))  # RandomResizedCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].size, test_pipeline[2].size = img_size[0], img_size  # ResizeShortSide, CenterCrop
train_dataloader = dict(batch_size=64, num_workers=2, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(batch_size=64, num_workers=2, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

# Few images: a higher rate per image than ImageNet's, an average over fewer updates (its decay rises to 0.995), and
# float32 since many CPUs have no bfloat16.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(lr=4e-3), accumulative_counts=1)
param_scheduler = dict(warmup=2)
train_cfg = dict(max_epochs=20)
custom_hooks = [dict(type="ModelEMAHook", momentum=5e-3)]
