# MIRL pre-training of vit-s-54, 300 epochs. Batch 4096 = 8 GPUs x 256 x 2 accumulated.
_base_ = "./mirl_vits54_in1k.py"

train_cfg = dict(max_epochs=300)
