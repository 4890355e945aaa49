# Mask R-CNN on DINOv2's ViT-B, by ViTDet's recipe. Batch 64 = 8 GPUs x 8. Layer decay and drop path are ViTDet's for 12
# blocks; for these weights they and the rate are untested. All blocks attend to the whole map, as in pre-training.
# Weights: timm fetches them, or --pretrained FILE.
_base_ = [
    "../_base_/models/mask_rcnn_vitdet.py",
    "../_base_/datasets/coco_instance_lsj.py",
    "../_base_/schedules/vitdet_100e.py",
]

model = dict(
    backbone=dict(
        _delete_=True,
        type="mirl_mm.TimmViT",
        model_name="vit_base_patch14_dinov2.lvd142m",
        img_size=(1024, 1024),
        map_stride=16,  # images of 1024 x 1024 are seen as 896 x 896, whose patches of 14 are 16 pixels apart
        drop_path_rate=0.1,
        init_cfg=dict(type="Pretrained", checkpoint="timm"),
    )
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.7))
