# mae_24x96.py on 12 blocks.
_base_ = "./mae_24x96.py"

model = dict(backbone=dict(arch=dict(depth=12)))
