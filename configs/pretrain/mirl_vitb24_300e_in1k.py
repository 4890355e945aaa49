# MIRL pre-training of vit-b-24, 300 epochs. Batch 4096 = 8 GPUs x 128 x 4 accumulated.
_base_ = "./mirl_vitb24_in1k.py"

train_cfg = dict(max_epochs=300)
