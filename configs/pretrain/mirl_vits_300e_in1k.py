# MIRL pre-training of vit-s, 300 epochs. Batch 4096 = 8 GPUs x 512 x 1 accumulated.
_base_ = "./mirl_vits_in1k.py"

train_cfg = dict(max_epochs=300)
