# mirl_12x192.py on 48 blocks.
_base_ = "./mirl_12x192.py"

model = dict(backbone=dict(arch=dict(depth=48)))
