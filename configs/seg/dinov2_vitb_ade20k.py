# UperNet on DINOv2's ViT-B, by MAE's recipe. Batch 16 = 8 GPUs x 2. Layer decay as of mirl_vitb_ade20k.py; for these
# weights it and the rate are untested.
# Weights: timm fetches them, or --pretrained FILE.
_base_ = [
    "../_base_/models/upernet_vit.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/ade20k_160k.py",
]

model = dict(
    backbone=dict(
        _delete_=True,
        type="mirl_mm.TimmViT",
        model_name="vit_base_patch14_dinov2.lvd142m",
        img_size=(512, 512),
        map_stride=16,  # crops of 512 x 512 are seen as 448 x 448, whose patches of 14 are 16 pixels apart
        out_indices=(2, 5, 8, 11),
        drop_path_rate=0.1,
        init_cfg=dict(type="Pretrained", checkpoint="timm"),
    )
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.7))
