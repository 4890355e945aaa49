# What surrounds a detector's run.
_base_ = "./mmlab_runtime.py"

default_scope = "mmdet"
custom_imports = dict(imports=["mirl_mm.detection.mmdet_parts"])  # registers ours, also for mmdet's own tools
visualizer = dict(type="DetLocalVisualizer")
default_hooks = dict(shared_norms=dict(type="mirl_mm.SharedNormCheckHook"))
log_processor = dict(mean_pattern=r".*(loss|time|img_per_s).*")
