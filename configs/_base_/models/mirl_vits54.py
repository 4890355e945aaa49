_base_ = "./mirl_vits.py"

model = dict(backbone=dict(arch="vit-s-54"))
