_base_ = "./mirl_vitb.py"

model = dict(backbone=dict(arch="vit-b-24"))
