# cls_24x96.py on 12 blocks, with a layer decay that leaves the embeddings the rate that they have in 24.
_base_ = "./cls_24x96.py"

model = dict(backbone=dict(arch=dict(depth=12)))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=_base_.optim_wrapper.paramwise_cfg.layer_decay ** (25 / 13)))
