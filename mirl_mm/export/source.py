"""What an export starts from: a checkpoint of ``tools/train.py``, and the model that it belongs to."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import ConfigDict
from torch import Tensor

from mirl_mm.checkpoint import Exact, Weights, load_into, read_any
from mirl_mm.checkpoint.embedded_config import config_for
from mirl_mm.classification import ImageClassifier
from mirl_mm.models.backbones import PlainBackbone, is_backbone
from mirl_mm.models.backbones.lora import merge_adapters
from mirl_mm.models.backbones.pretrained import of_backbone
from mirl_mm.registry import MODELS

#: What ``weights`` can be.
WEIGHTS = ("model", "ema", "raw")


class Source(NamedTuple):
    """A checkpoint to export.

    Attributes:
        name: The file's name, without folders.
        state: Our names to tensors.
        model: The model's config.
        progress: How far training was, e.g. ``epoch 12``; empty if it isn't known.
        weights: Which weights ``state`` are, in words.
        guard: Around what is built: of the config that came with a checkpoint, registered parts only.
    """

    name: str
    state: dict[str, Tensor]
    model: ConfigDict
    progress: str
    weights: str
    guard: Callable[[], AbstractContextManager] = nullcontext

    @property
    def has_classifier(self) -> bool:
        """Whether it is an :class:`ImageClassifier`'s."""
        with self.guard():
            kind = MODELS.get(self.model.type)
        return isinstance(kind, type) and issubclass(kind, ImageClassifier)

    @property
    def heads(self) -> list[str]:
        """What a detector or segmentor has behind its backbone, as its config names it; nothing of other models."""
        return sorted(name for name in self.model if name == "neck" or name.endswith("_head"))

    def choose_part(self, part: str | None, parts: Sequence[str]) -> str:
        """What is to be exported.

        Args:
            part: What is asked for. Default: the classifier if there is one, else the backbone.
            parts: What there is to choose from.

        Raises:
            ValueError: For another word, or if the backbone of a detector or segmentor would be taken unasked, whose
                file would look like the whole.
        """
        if part is not None:
            if part not in parts:
                raise ValueError(f"part must be one of {', '.join(parts)}, got {part!r}")
            return part
        if self.heads:
            others = " or ".join(f"--part {each}" for each in parts if each not in ("backbone", "classifier"))
            raise ValueError(
                f"{self.name} holds a {self.model.type}, which can't be exported as a whole: name the part, --part "
                f"backbone for the backbone alone, without {', '.join(self.heads)}"
                + (f", or {others} for all tensors in our layout" if others else "")
            )
        return "classifier" if self.has_classifier else "backbone"

    def backbone(self, **changes: Any) -> PlainBackbone:
        """The backbone with its weights, in evaluation mode.

        Args:
            **changes: Settings in place of the config's, e.g. ``out_indices`` or ``img_size``, to which the positions
                are resampled.

        Raises:
            ValueError: If it is no plain backbone, or config and weights do not belong together.
        """
        cfg = self._backbone_cfg(**changes)
        return self._build(cfg, of_backbone(self.state))

    def classifier(self, **changes: Any) -> ImageClassifier:
        """The classifier with its weights, in evaluation mode; ``changes`` are the backbone's.

        Raises:
            ValueError: If it is another model, or config and weights do not belong together.
        """
        if not self.has_classifier:
            raise ValueError(
                f"{self.name} holds no classifier (its model is {self.model.type}): export its backbone "
                "(--part backbone), or give the checkpoint of a fine-tuning"
            )
        cfg = {
            "type": self.model.type,
            "backbone": self._backbone_cfg(**changes),
            "head": _without_init(self.model.head),
        }
        state = {key: value for key, value in self.state.items() if key.startswith(("backbone.", "head."))}
        return self._build(cfg, state)

    def _backbone_cfg(self, **changes: Any) -> dict[str, Any]:
        """The backbone's config with ``changes`` and without what matters in training only."""
        given = self.model.get("backbone") or {}
        with self.guard():
            kind = MODELS.get(given["type"]) if "type" in given else None
        if not is_backbone(kind):
            raise ValueError(
                f"the backbone of {self.name} is {given.get('type')}: only plain ones such as DeepViT can be exported"
            )
        cfg = {**_without_init(given), "drop_path_rate": 0.0}
        if "img_size" in changes:
            with self.guard(), torch.device("meta"):
                cfg["pretrained_grid"] = MODELS.build(cfg).position_grid  # that of the file's positions
        return cfg | changes

    def _build(self, cfg: dict, state: dict[str, Tensor]) -> Any:
        with (
            self.guard(),
            torch.device("meta"),
        ):  # without initialisation: the file's tensors become the model's
            model = MODELS.build(cfg)
        refusal = f"{self.name} does not fit its config's {type(model).__name__}"
        trained = "Give the config with which it was trained (--config)"
        policy = Exact(lambda report: f"{refusal}: {report}. {trained}", resampled=True)
        load_into(model, Weights(state), policy, assign=True)
        if any(buffer.is_meta for buffer in model.buffers()):  # such as rotary positions' frequencies, in no file
            with self.guard():
                model = MODELS.build(cfg)
            load_into(model, Weights(state), policy)
        merge_adapters(model.backbone if isinstance(model, ImageClassifier) else model)
        return model.float().eval().requires_grad_(False)


def open_source(path: str | Path, weights: str = "model", config: str | Path | None = None) -> Source:
    """Read a checkpoint for export.

    Where mmengine's ``EMAHook`` was on, a checkpoint holds two sets of weights: their moving average, under
    ``state_dict``, and under ``ema_state_dict`` the weights as they are trained.

    Args:
        path: A checkpoint of ``tools/train.py``, or another that :func:`mirl_mm.checkpoint.read_any` reads.
        weights: ``"model"``: what is under ``state_dict``, the average where there is one. ``"ema"``: the average.
            ``"raw"``: the weights as they are trained.
        config: Config file, where the checkpoint does not hold one, or in its place.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the file is no checkpoint, has no average where that is asked for, or no config is known.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, got {weights!r}")
    read = read_any(path)
    name = Path(path).name
    if weights == "ema" and read.ema_state is None:
        raise ValueError(
            f"{str(path)!r} has no average: EMAHook was not among the custom_hooks of its training. Take its only "
            "weights (--weights model)"
        )
    if read.ema_state is None:
        state, kind = read.state, "the trained weights (there is no average)"
    elif weights == "raw":
        prefix = "module."  # mmengine swaps what is trained with the average: it is in the averaged model's entry
        trained = {key: value for key, value in read.ema_state.items() if key.startswith(prefix)}
        state = {key.removeprefix(prefix): value for key, value in trained.items()}
        kind = "the weights as trained, not their average"
    else:
        state, kind = read.state, "the moving average (EMA) of the weights"
    cfg, guard = config_for(read, path, config)
    if not cfg.get("model"):
        raise ValueError(f"the config of {name} has no model: give that of its training (--config)")
    return Source(name, state, cfg.model, read.progress, kind, guard)


def _without_init(cfg: Mapping[str, Any]) -> dict[str, Any]:
    return {key: copy.deepcopy(value) for key, value in cfg.items() if key != "init_cfg"}
