# mae_12x192.py on 24 blocks.
_base_ = "./mae_12x192.py"

model = dict(backbone=dict(arch=dict(depth=24)))
