# An example for your own images and segmentation maps: other classes, other folders. Copy it, change the names, and
# run python tools/train.py configs/seg/custom_ade20k.py --pretrained CHECKPOINT. docs/segmentation.md tells the rest.
_base_ = "./mirl_vitb_ade20k.py"

data = dict(
    data_root="data/street",
    metainfo=dict(
        classes=("road", "building", "tree", "car"),  # in the order of the masks' values; or a file: "classes.txt"
        palette=[(128, 64, 128), (70, 70, 70), (107, 142, 35), (0, 0, 142)],  # optional
    ),
    reduce_zero_label=False,  # road is 0; True: 0 is no label, road is 1
    ignore_index=255,  # the masks' value for pixels without label
    img_suffix=".png",
    seg_map_suffix=".png",
)
train_dataloader = dict(dataset=dict(**data, data_prefix=dict(img_path="train/images", seg_map_path="train/masks")))
val_dataloader = dict(dataset=dict(**data, data_prefix=dict(img_path="val/images", seg_map_path="val/masks")))
test_dataloader = val_dataloader

# 10,000 updates of 8 GPUs x 2 images; the rate is adapted to other numbers of them.
param_scheduler = dict(warmup=500)
train_cfg = dict(max_iters=10000, val_interval=1000)
