# Fine-tuning of DINOv2's ViT-B on ImageNet-1K at 224. Batch 2048 = 8 GPUs x 256. Layer decay, warm-up and drop path are
# MAE's for 12 blocks. The rate, a twelfth of MIRL's, and the epochs are our choice, and untested.
# Weights: timm fetches them, or --pretrained FILE.
_base_ = [
    "../_base_/models/classifier_vitb.py",
    "../_base_/datasets/in1k_cls.py",
    "../_base_/schedules/finetune_100e.py",
]

model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmViT",
        model_name="vit_base_patch14_dinov2.lvd142m",
        img_size=(224, 224),
        drop_path_rate=0.1,
        init_cfg=dict(type="Pretrained", checkpoint="timm"),
    ),
    head=dict(pool="token", norm=False),  # what was pre-trained is the class token, behind the model's own norm
)
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(optimizer=dict(lr=6.25e-5), paramwise_cfg=dict(layer_decay=0.65))
param_scheduler = dict(warmup=5)
train_cfg = dict(max_epochs=50)
