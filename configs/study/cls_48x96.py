# cls_24x96.py on 48 blocks.
_base_ = "./cls_24x96.py"

model = dict(backbone=dict(arch=dict(depth=48)))
