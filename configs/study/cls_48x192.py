# cls_24x192.py on 48 blocks, with the layer decay of cls_48x96.py.
_base_ = "./cls_24x192.py"

model = dict(backbone=dict(arch=dict(depth=48)))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=_base_.optim_wrapper.paramwise_cfg.layer_decay ** (25 / 49)))
