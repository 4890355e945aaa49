# What surrounds a segmentor's run.
_base_ = "./mmlab_runtime.py"

default_scope = "mmseg"
env_cfg = dict(cudnn_benchmark=True)  # crops are of one size
custom_imports = dict(imports=["mirl_mm.segmentation.mmseg_parts"])  # registers ours, also for mmseg's own tools
default_hooks = dict(batch_norm=dict(type="mirl_mm.BatchNormCheckHook"))
visualizer = dict(type="SegLocalVisualizer")
log_processor = dict(mean_pattern=r".*(loss|acc_seg|time|img_per_s).*")
