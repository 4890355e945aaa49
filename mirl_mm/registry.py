"""Registries of this package: children of mmengine's roots, scope ``mirl_mm``.

``locations`` are imported when a name is first looked up, so a config needs ``default_scope = 'mirl_mm'`` (or a
``mirl_mm.`` prefix on the type) and no ``custom_imports`` for our own parts.
"""

from importlib import import_module
from pathlib import Path

from mmengine import registry as root

SCOPE = "mirl_mm"
_HERE = Path(__file__).parent


def wings(part: str) -> list[str]:
    """The modules of one name in this package's folders, by which a wing offers the core what it has; in order of name.

    ``registered`` has what configs of this package's scope name, ``mmdet_parts`` what those of mmdet's scope name; a
    wing without such a module adds nothing, and a folder that is deleted is missed by nobody.
    """
    found = [*_HERE.glob(f"*/{part}.py"), *_HERE.glob(f"*/{part}/__init__.py")]
    places = (path.relative_to(_HERE).with_suffix("").as_posix().removesuffix("/__init__") for path in found)
    return sorted(f"{SCOPE}.{place.replace('/', '.')}" for place in places)


#: What registers our parts for another package's scope, and says what is missing.
PARTS = {name.partition("_")[0]: wings(name) for name in sorted({path.stem for path in _HERE.glob("*/*_parts*")})}


def import_parts(scope: str) -> None:
    """Register what a scope's configs need of ours and of that package.

    Raises:
        ImportError: For detection without mmdet, or segmentation without mmseg.
    """
    for module in PARTS.get(scope, ()):
        import_module(module)


_OWN = wings("registered")


def _child(name: str, parent: root.Registry, *places: str) -> root.Registry:
    return root.Registry(name, parent=parent, scope=SCOPE, locations=[*(f"{SCOPE}.{place}" for place in places), *_OWN])


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
TASK_UTILS = _child("task util", root.TASK_UTILS)
METRICS = _child("metric", root.METRICS)
VISBACKENDS = _child("vis_backend", root.VISBACKENDS, "engine")
PLAIN = [
    root.Registry(getattr(root, name).name, parent=getattr(root, name), scope=SCOPE, locations=[f"{SCOPE}.registry"])
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
OBJECT_FINDERS = root.Registry("finder", scope=SCOPE, locations=[f"{SCOPE}.discovery", *wings("finders")])
#: What the core asks each task about a config and its data: :mod:`mirl_mm.engine.tasks`.
TASKS = root.Registry("task", scope=SCOPE, locations=wings("task"))
#: Functions that draw a data set's sample: :mod:`mirl_mm.visualization.samples`.
SAMPLE_PICTURES = root.Registry("picture of a sample", scope=SCOPE, locations=wings("sample_picture"))
INFERENCERS = root.Registry("inferencer", parent=root.INFERENCERS, scope=SCOPE, locations=wings("inferencer"))
