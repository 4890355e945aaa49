# MIRL pre-training of vit-b-48, 300 epochs. Batch 4096 = 8 GPUs x 64 x 8 accumulated.
_base_ = "./mirl_vitb48_in1k.py"

train_cfg = dict(max_epochs=300)
