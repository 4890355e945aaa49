"""Registries of this package: children of mmengine's roots, scope ``mirl_mm``.

``locations`` are imported when a name is first looked up, so a config needs ``default_scope = 'mirl_mm'`` (or a
``mirl_mm.`` prefix on the type) and no ``custom_imports`` for our own parts.
"""

from importlib import import_module

from mmengine import registry as root

SCOPE = "mirl_mm"
#: What registers our parts for another package's scope, and says what is missing.
PARTS = {"mmdet": "mirl_mm.detection", "mmseg": "mirl_mm.segmentation"}


def import_parts(scope: str) -> None:
    """Register what a scope's configs need of ours and of that package.

    Raises:
        ImportError: For detection without mmdet, or segmentation without mmseg.
    """
    if scope in PARTS:
        import_module(PARTS[scope])


def _child(name: str, parent: root.Registry, *locations: str) -> root.Registry:
    return root.Registry(name, parent=parent, scope=SCOPE, locations=[f"{SCOPE}.{place}" for place in locations])


MODELS = _child("model", root.MODELS, "models")
DATASETS = _child("dataset", root.DATASETS, "datasets")
DATA_SAMPLERS = _child("data sampler", root.DATA_SAMPLERS, "datasets")
TRANSFORMS = _child("transform", root.TRANSFORMS, "datasets")
HOOKS = _child("hook", root.HOOKS, "engine")
PARAM_SCHEDULERS = _child("parameter scheduler", root.PARAM_SCHEDULERS, "engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child("optimizer wrapper constructor", root.OPTIM_WRAPPER_CONSTRUCTORS, "engine")
OPTIM_WRAPPERS = _child("optimizer wrapper", root.OPTIM_WRAPPERS, "engine")
OPTIMIZERS = _child("optimizer", root.OPTIMIZERS, "engine")
LOOPS = _child("loop", root.LOOPS, "engine")
RUNNERS = _child("runner", root.RUNNERS, "engine")
TASK_UTILS = _child("task util", root.TASK_UTILS, "detection")
METRICS = _child("metric", root.METRICS, "evaluation")
VISBACKENDS = _child("vis_backend", root.VISBACKENDS, "engine")
PLAIN = [
    _child(getattr(root, name).name, getattr(root, name), "registry")
    for name in (
        "MODEL_WRAPPERS",
        "WEIGHT_INITIALIZERS",
        "EVALUATOR",
        "VISUALIZERS",
        "LOG_PROCESSORS",
        "FUNCTIONS",
    )
]  # nothing of ours is in these; without a child and a place to import, mmengine warns at look-ups from our scope
#: Functions that look for annotated objects in a folder (``mirl_mm.discovery``), in the order in which they are asked.
OBJECT_FINDERS = root.Registry("finder", scope=SCOPE, locations=[f"{SCOPE}.discovery", f"{SCOPE}.converters"])
INFERENCERS = _child("inferencer", root.INFERENCERS, "apis")
