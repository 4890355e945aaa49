"""The config that came with a checkpoint: what may be built from it, which a stranger may have written.

mmengine's registries import whatever a dotted ``type`` names, registered or not, and some registered parts evaluate a
string or open the file that it names. A config *file* is a program that its user has chosen to run; the config in a
checkpoint is not. Of it only registered parts are built, with numbers and plain words as their settings.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, TASK_UTILS, TRANSFORMS, Registry
from mmengine.registry import registry as mmengine_registry
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mirl_mm.config import read_config, update_config
from mirl_mm.registry import SCOPE, import_parts

from .read_weights import Weights
from .safe_load import reason

#: Whose registered parts a checkpoint may ask for.
SCOPES = (SCOPE, "mmengine", "mmdet", "mmseg")
_KINDS = (MODELS, TASK_UTILS, TRANSFORMS)
#: What is called ``type`` and is no registry's: functions and layers of ``mmcv.ops``.
_OPERATIONS = {"nms", "soft_nms", "nms_match", "RoIAlign", "RoIPool"}
#: Registered parts that open files, download, or load weights while they are built.
_REACH_OUT = {
    *("KnowledgeDistillationSingleStageDetector", "LAD", "AppearanceFreeLink", "CameraMotionCompensation"),
    *("GLIP", "GroundingDINO", "BertModel", "ATSSVLFusionHead", "RandomSamplingNegPos", "Detectron2Wrapper"),
    *("VPD", "CLIPTextEncoder", "SideAdapterCLIPHead", "TIMMBackbone", "InferencerLoader"),
}
#: Names of layers, modes, channels: nothing that is a path, an address or code, or names a file of a kind that is read.
_WORD = re.compile(r"[\w.+ -]{0,100}", re.ASCII)
_FILE = re.compile(
    r"(?:.*\.)?(?:pkl|pickle|npy|npz|pth?|pd|pdparams|py|ya?ml|json|ckpt|bin|safetensors|txt)", re.IGNORECASE
)
_LARGEST = 10**7
_OWN_WAY = (
    "for parts of your own, give the config file that names their module in custom_imports (--config FILE, or the "
    "inferencer's model), or import the module first"
)


def own_config(weights: Weights, path: str | Path) -> ConfigDict:
    """The config in a checkpoint, once it is sure that what is built from it are registered parts.

    Looked at are ``model``, ``tta_model``, ``tta_pipeline`` and the pipelines of test and validation, at every depth;
    nothing else of a checkpoint's config is ever built or imported. ``init_cfg`` is taken out: the weights are there.

    Raises:
        ValueError: If it holds no config, or one that asks for anything else.
        ImportError: If it needs mmdet or mmseg, and they are missing.
    """
    if weights.cfg is None:
        raise ValueError(f"checkpoint {str(path)!r} holds no config: give the config file of its model (--config)")
    cfg = ConfigDict(weights.cfg._cfg_dict.to_dict())
    update_config(cfg)
    try:
        _check(cfg)
    except _Refused as refused:
        raise ValueError(
            f"checkpoint {str(path)!r} is refused, and nothing of it was run: its config has {refused}"
        ) from refused
    return cfg


def config_for(
    weights: Weights, path: str | Path, config: str | Path | Mapping | Config | None = None
) -> tuple[Any, Callable[[], AbstractContextManager]]:
    """The config of a checkpoint's model, its user's or its own, and what has to be around all that is built from it.

    Raises:
        FileNotFoundError: If there is no such config file.
        ValueError: As :func:`own_config`.
    """
    if config is None:
        return own_config(weights, path), partial(building, path, weights.state)
    config = read_config(config) if isinstance(config, (str, Path)) else config
    return config._cfg_dict if isinstance(config, Config) else config, nullcontext


class _Refused(Exception):
    """What is wrong, and the remedy."""


def _check(cfg: ConfigDict) -> None:
    scope = cfg.get("default_scope") or SCOPE
    _check_scope(scope, "default_scope")
    for name in ("model", "tta_model", "tta_pipeline"):
        if cfg.get(name):
            _check_part(cfg[name], name, scope)
    model = cfg.get("model")
    if model and not (isinstance(model, dict) and "type" in model and isinstance(model.get("backbone", {}), dict)):
        raise _Refused("a model that is no table with a type: give the config as a file (--config)")
    for name in ("test_dataloader", "val_dataloader"):
        loader = cfg.get(name)
        dataset = loader.get("dataset") if isinstance(loader, dict) else loader
        if not isinstance(dataset, (dict, type(None))):
            raise _Refused(f"no table of a data set in {name}: give the config as a file (--config)")
        if dataset and "pipeline" in dataset:
            _check_part(dataset["pipeline"], f"{name}.dataset.pipeline", scope)


def _check_part(node: Any, place: str, scope: str) -> None:
    if isinstance(node, dict):
        node.pop("init_cfg", None)
        scope = node.get("_scope_", scope)
        _check_scope(scope, f"{place}._scope_")
        for key, value in node.items():
            if not (isinstance(key, str) and _WORD.fullmatch(key)):
                raise _Refused(f"the name {str(key)[:60]!r} in {place}, which no part has; {_OWN_WAY}")
            if key == "type":
                _check_type(value, f"{place}.type", scope)
            else:
                _check_part(value, f"{place}.{key}", scope)
    elif isinstance(node, (list, tuple)):
        for number, item in enumerate(node):
            _check_part(item, f"{place}[{number}]", scope)
    elif isinstance(node, str) and (not _WORD.fullmatch(node) or _FILE.fullmatch(node)):
        raise _Refused(
            f"{node[:60]!r} in {place}, and of a checkpoint's strings only plain words are taken, no files, addresses "
            "or code: if you trust it, give the config as a file (--config)"
        )
    elif isinstance(node, int) and abs(node) > _LARGEST:
        raise _Refused(f"a number beyond {_LARGEST:,} in {place}: give the config as a file (--config)")
    elif not isinstance(node, (str, int, float, type(None))):
        raise _Refused(f"a {type(node).__name__} in {place}: give the config as a file (--config)")


def _check_scope(scope: Any, place: str) -> None:
    if scope not in SCOPES:
        raise _Refused(f"{place}={str(scope)[:60]!r}, which is none of {', '.join(SCOPES)}; {_OWN_WAY}")


def _check_type(name: Any, place: str, scope: str) -> None:
    """Refuse a type that is not registered, without asking mmengine, which would import it."""
    if isinstance(name, str) and name.rpartition(".")[2] in _REACH_OUT:
        raise _Refused(
            f"{name} in {place}, which opens files or addresses while it is built: give the config as a file (--config)"
        )
    if not (isinstance(name, str) and (name in _OPERATIONS or _registered(name, scope))):
        raise _Refused(f"{str(name)[:60]!r} in {place}, which is no registered part of {', '.join(SCOPES)}; {_OWN_WAY}")


def _registered(name: str, scope: str) -> bool:
    prefix, dot, plain = name.rpartition(".")
    if dot and prefix not in SCOPES:
        return False
    scopes = (prefix,) if dot else (scope, SCOPE, "mmengine")
    return any(plain in node.module_dict for each in scopes for node in _nodes(each))


def _nodes(scope: str) -> Iterator[Registry]:
    """The registries of a scope, filled."""
    import_parts(scope)
    import_module(f"{scope}.registry")
    for root in _KINDS:
        node = root if scope == "mmengine" else root.children.get(scope)
        if node is not None:
            if (root, scope) != (TASK_UTILS, SCOPE):  # these are a detector's, and wait for mmdet
                node.import_from_location()
            yield node


_only_registered: ContextVar[bool] = ContextVar("only_registered", default=False)


def _unless_guarded(importing: Callable[[str], Any]) -> Callable[[str], Any]:
    """For the functions by which mmengine imports types that no registry has, and scopes of any name.

    Parts may ask for such, too, while they are built.
    """

    def guarded(name: str) -> Any:
        if _only_registered.get() and name.partition(".")[0] not in SCOPES:
            raise ImportError(f"{name} is not registered")
        return importing(name)

    return guarded


for _name in ("get_object_from_string", "import_module"):
    setattr(mmengine_registry, _name, _unless_guarded(getattr(mmengine_registry, _name)))


@contextmanager
def building(path: str | Path, state: dict[str, Tensor]) -> Iterator[None]:
    """While a model is built from the config of a checkpoint: nothing is imported, and no more is made than it holds.

    Raises:
        ValueError: With the file's name, for whatever goes wrong.
    """
    token = _only_registered.set(True)
    try:
        with _Bounded(state):
            yield
    except (OSError, ImportError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of anybody's constructors, with settings that may be any
        text = reason(error)
        if isinstance(error, ValueError) and str(path) in text:
            raise
        raise ValueError(f"checkpoint {str(path)!r}: no model can be built from its config: {text}") from error
    finally:
        _only_registered.reset(token)


class _Bounded(TorchDispatchMode):
    """Lets no more tensors be made than a model with a checkpoint's weights can need."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
        self.bytes = 4 * size + (256 << 20)  # float32 of float16, buffers, what the initialisation needs
        self.tensors = 8 * len(state) + 2_000

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if "device" in kwargs and not any(isinstance(each, Tensor) for each in args):  # makes a tensor out of nothing
            plan = func(*args, **{**kwargs, "device": torch.device("meta"), "pin_memory": None})
            self.bytes -= plan.numel() * plan.element_size()
            self.tensors -= 1
            if self.bytes < 0 or self.tensors < 0:
                raise ValueError("its model is many times larger than its weights")
        return func(*args, **kwargs)
