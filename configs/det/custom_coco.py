# An example for your own data in COCO's format: other classes, other folders. Copy it, change the names, and
# run python tools/train.py configs/det/custom_coco.py --pretrained CHECKPOINT. docs/detection.md tells the rest.
_base_ = "./mirl_vitb_coco.py"

data = dict(data_root="data/fruit", metainfo=dict(classes=("apple", "banana", "cherry")))  # as the files name them
train_dataloader = dict(batch_size=2, dataset=dict(**data, ann_file="train.json", data_prefix=dict(img="images/")))
val_dataloader = dict(dataset=dict(**data, ann_file="val.json", data_prefix=dict(img="images/")))
test_dataloader = val_dataloader

# 10,000 updates of 8 GPUs x 2 images; the rate is adapted to these 16 images.
train_cfg = dict(max_iters=10000, val_interval=1000)
