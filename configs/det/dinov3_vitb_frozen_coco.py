# As dinov3_vitb_coco.py, with the encoder frozen: neck and heads alone learn.
_base_ = "./dinov3_vitb_coco.py"

model = dict(backbone=dict(frozen=True, drop_path_rate=0.0))
