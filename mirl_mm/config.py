"""Config files, and the package's own by name: ``mirl_mm::pretrain/mirl_vitb48_in1k.py``.

A name stands wherever a path to a config does, and in ``_base_``, in a checkout as in an installed package. mmengine
knows the packages it may take bases from by a table; to be in it, this module has to be imported before the config is
read, which our tools and inferencers do.
"""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from mirl_mm.registry import SCOPE, import_parts

PREFIX = "mirl_mm::"
#: A config's data loaders.
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
#: Where OpenMMLab packages have their configs. In a checkout it is a link.
FOLDER = Path(__file__).parent / ".mim" / "configs"

#: Backbones whose ``with_cp`` earlier versions had; other libraries' backbones still have theirs.
_WITH_CP = ("DeepViT", "TimmViT")

MODULE2PACKAGE.setdefault("mirl_mm", "mirl_mm")


def config_path(name: str | Path) -> Path:
    """Where a config file is, or would be.

    Args:
        name: A path, or ``mirl_mm::`` and a path below this package's ``configs``.
    """
    return FOLDER / str(name).removeprefix(PREFIX) if str(name).startswith(PREFIX) else Path(name)


def find_config(name: str | Path) -> str:
    """A config by a short name: ``cls/mirl_vits_in1k`` is one of this package's, unless there is such a file.

    Args:
        name: A path, or a path below this package's ``configs``; with ``mirl_mm::`` before it or not, with ``.py``
            after it or not.

    Returns:
        A path, or a name that begins with ``mirl_mm::``.

    Raises:
        FileNotFoundError: If there is none, with those that are called alike.
    """
    text = str(name)
    candidates = [text, f"{text}.py"]
    candidates += [] if text.startswith(PREFIX) else [PREFIX + each for each in candidates]
    found = next((each for each in candidates if config_path(each).is_file()), None)
    if found is None:
        known = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.glob("*/*.py"))
        known = [each for each in known if not each.startswith("_")]
        wanted = text.removeprefix(PREFIX).removesuffix(".py")
        near = get_close_matches(wanted, known, n=5, cutoff=0.5)
        folders = sorted({each.partition("/")[0] for each in known})
        remedy = (
            f"did you mean {' or '.join(near)}?"
            if near
            else f"this package has those of {', '.join(folders)}, such as {known[0]}."
        )
        raise FileNotFoundError(f"no config {text!r}: {remedy} A path will do, too")
    return found


def scope_of(cfg: Mapping, default: str = SCOPE) -> AbstractContextManager:
    """Names without prefix are those of the config's scope while this context lasts, whatever ran before."""
    return DefaultScope.overwrite_default_scope(cfg.get("default_scope") or default)


def listed(given: Any) -> list[Any]:
    """What a config may give as one or as several: nothing, a table, a list of tables."""
    return list(given or ()) if not isinstance(given, Mapping) else [given]


def read_config(name: str | Path) -> Config:
    """Read a config file, named as for :func:`config_path`, with all that it inherits.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If a package that it needs is missing.
    """
    path = config_path(name)
    if not path.is_file():
        raise _missing(name)
    try:
        cfg = Config.fromfile(path)
    except ImportError as error:  # mmengine's, twice: where it looked, then what failed; why it failed comes last
        reason = error.__cause__ and error.__cause__.__context__
        raise (reason or error) from None
    if PREFIX in cfg.text:
        _drop_scope(cfg._cfg_dict)
    import_parts(cfg.get("default_scope") or "")  # which files of earlier versions don't name
    if update_config(cfg):
        print_log(
            f"{name}: model.backbone.with_cp of earlier versions is now activation_checkpointing, outside of the model",
            logger="current",
            level=logging.WARNING,
        )
    return cfg


def update_config(cfg: Config | ConfigDict) -> bool:
    """Bring what an earlier version wrote up to date, in place: ``with_cp`` of a backbone of this package.

    Returns:
        Whether there was any.
    """
    backbone = (cfg.get("model") or {}).get("backbone") or {}
    kind = backbone.get("type")
    if "with_cp" not in backbone or str(getattr(kind, "__name__", kind)).rpartition(".")[2] not in _WITH_CP:
        return False
    if backbone.pop("with_cp"):
        cfg["activation_checkpointing"] = True
    return True


def _missing(name: str | Path) -> FileNotFoundError:
    if str(name).startswith(PREFIX):
        known = sorted(PREFIX + each.relative_to(FOLDER).as_posix() for each in FOLDER.glob("*/*.py"))
        remedy = f"the nearest are {', '.join(get_close_matches(str(name), known, cutoff=0))}"
    else:
        remedy = f"give a path, or a name such as {PREFIX}pretrain/mirl_vitb48_in1k.py"
    return FileNotFoundError(f"no config file {str(name)!r}: {remedy}")


def _drop_scope(node: Any) -> None:
    """Undo that mmengine looks for everything of a base from a package in that package alone.

    Ours of detection and segmentation are made of mmdet's and mmseg's parts, which their ``default_scope`` says.
    """
    if isinstance(node, dict):
        if node.get("_scope_") == "mirl_mm":
            del node["_scope_"]
        for each in node.values():
            _drop_scope(each)
    elif isinstance(node, (list, tuple)):
        for each in node:
            _drop_scope(each)
