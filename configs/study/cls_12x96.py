# cls_24x96.py on 12 blocks. The layer decay is that of 24 for as many: the embeddings have the same rate at each depth.
_base_ = "./cls_24x96.py"

model = dict(backbone=dict(arch=dict(depth=12)))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=_base_.optim_wrapper.paramwise_cfg.layer_decay ** (25 / 13)))
