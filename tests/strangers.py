"""Checkpoints as a stranger may write them: small models whose configs ask for what they should not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from torch import nn

from mirl_mm import ImageClassifier
from mirl_mm.engine.launch import load_config
from tests.training import ROOT, SMALL_CLASSIFIER


def classifier_config() -> Config:
    """The config of a small classifier, resolved, as a checkpoint has it."""
    cfg = load_config(ROOT / "configs/cls/mirl_tiny24_64px.py", SMALL_CLASSIFIER)
    return Config(cfg._cfg_dict.to_dict())


def classifier(cfg: Config | None = None) -> nn.Module:
    """The model of that config, whatever default scope is set."""
    model = (cfg or classifier_config()).model.to_dict()
    return ImageClassifier(**{key: value for key, value in model.items() if key in ("backbone", "head")})


def write_checkpoint(path: Path, cfg: Config, model: nn.Module | None = None, **meta: Any) -> Path:
    """A checkpoint of a small classifier, with any config."""
    state = (model or classifier()).state_dict()
    torch.save({"state_dict": state, "meta": {"cfg": config_text(cfg), "epoch": 1, "iter": 5, **meta}}, path)
    return path


def config_text(cfg: Config) -> str:
    """As ``pretty_text``, in no time, and also for names that could not be keywords."""
    return "".join(f"{name} = {value!r}\n" for name, value in cfg._cfg_dict.to_dict().items())


def canary(folder: Path) -> Path:
    """A package ``canary`` that leaves a file when anything of it is imported; the file's path."""
    package = folder / "canary"
    package.mkdir(parents=True)
    sung = folder / "sung"
    code = f"open({str(sung)!r}, 'a').close()\nclass Thing:\n    pass\n"
    for name in ("__init__", "registry", "parts"):
        (package / f"{name}.py").write_text(code)
    return sung


def exploits(sung: Path) -> dict[str, Callable[[Config], Any]]:
    """Changes of a classifier's config that would leave a file if something of them ran."""
    shell = {"type": "os.system", "command": f"touch {sung}"}
    called = f"__import__('os').system('touch {sung}')"

    def put(*keys: str | int, value: Any) -> Callable[[Config], None]:
        def change(cfg: Config) -> None:
            node: Any = cfg
            for key in keys[:-1]:
                node = node[key]
            node[keys[-1]] = ConfigDict(value) if isinstance(value, dict) else value

        return change

    steps = ("test_dataloader", "dataset", "pipeline")
    return {
        "model": put("model", value={**shell, "backbone": {}}),
        "backbone": put("model", "backbone", value=shell),
        "class path": put("model", "backbone", "type", value="canary.parts.Thing"),
        "module": put("model", "head", "type", value="canary"),
        "near a scope": put("model", "head", "type", value="mirl_mm.registry.import_module"),
        "function of torch": put("model", "head", "type", value="torch.hub.load"),
        "_scope_": put("model", "backbone", "_scope_", value="canary"),
        "empty scope": put(*steps, 0, "_scope_", value=""),
        "prefix": put("model", "backbone", "type", value="canary.DeepViT"),
        "default_scope": put("default_scope", value="canary"),
        "list": put("model", "train_cfg", value={"augments": [[shell]]}),
        "preprocessor": put("model", "data_preprocessor", value=shell),
        "pipeline": put(*steps, 1, value=shell),
        "within a pipeline": put(*steps, 1, value={"type": "RandomApply", "transforms": [shell]}),
        "first step": put(*steps, 0, "type", value="canary.LoadImage"),
        "code": put("model", "head", "loss", value=called),
        "code as a name": put("model", "head", called, value=1),
        "evaluated type": put("model", "test_cfg", value={"nms": {"type": called}}),
        "pickle": put("model", "head", "loss", value={"type": "mmseg.CrossEntropyLoss", "class_weight": "evil.pkl"}),
        "file without name": put("model", "head", "class_weight", value="pkl"),
        "address": put("model", "backbone", "pretrained", value="https://host/x"),
        "teacher": put("model", "head", value={"type": "mmdet.KnowledgeDistillationSingleStageDetector"}),
    }


def unread(sung: Path) -> dict[str, Callable[[Config], Any]]:
    """The same in parts of a config that nothing builds; the checkpoint can be used."""
    shell = {"type": "os.system", "command": f"touch {sung}"}

    def change(name: str, value: Any) -> Callable[[Config], None]:
        return lambda cfg: cfg.__setitem__(name, value)

    def initialisation(cfg: Config) -> None:
        cfg.model.backbone.init_cfg = [shell, {"type": "Pretrained", "checkpoint": "https://host/evil.pth"}]

    return {
        "custom_imports": change("custom_imports", {"imports": ["canary"]}),
        "custom_hooks": change("custom_hooks", [shell]),
        "visualizer": change("visualizer", shell),
        "optim_wrapper": change("optim_wrapper", shell),
        "train_dataloader": change("train_dataloader", {"dataset": shell}),
        "init_cfg": initialisation,
    }


def forget_canary(modules: dict[str, Any], names: Sequence[str] = ("canary",)) -> None:
    """Let it sing again."""
    for name in [name for name in modules if name.partition(".")[0] in names]:
        del modules[name]
