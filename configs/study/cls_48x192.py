# cls_12x192.py on 48 blocks.
_base_ = "./cls_12x192.py"

model = dict(backbone=dict(arch=dict(depth=48)))
