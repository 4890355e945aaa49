"""Pre-trainings compared: starting weights x numbers of labels x seeds, each fine-tuned by one task's config."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mirl_mm.engine.data_root import limit_batch, use_folder
from mirl_mm.engine.launch import load_config
from mirl_mm.engine.training_length import set_length
from mirl_mm.file_backend import write_file

from .step import Step, command
from .study import Study
from .subsets import take_share

_LOADERS = ("train_dataloader", "val_dataloader")
RANDOM = "random"


@dataclass(frozen=True)
class LabelStudy(Study):
    """A grid, and its steps.

    Attributes:
        work_dir: Where everything goes.
        config: Of the task: a classifier's, a detector's or a segmentor's.
        data_root: The task's data.
        starts: Names to checkpoints; None for random weights.
        shares: Of the labels, in (0, 1].
        seeds: Of training, and of which images are taken.
        lengths: Of a training for each share, in what the config counts, epochs or iterations; see :meth:`length`.
        options: For all trainings, dotted keys to values.
        classes: The data's classes, where the config has others and the folder does not tell.
    """

    work_dir: Path
    config: str
    data_root: str
    starts: Mapping[str, str | None]
    shares: Sequence[float] = (0.01, 0.1, 1.0)
    seeds: Sequence[int] = (0, 1, 2)
    lengths: Sequence[int] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.lengths and len(self.lengths) != len(self.shares):
            raise ValueError(f"{len(self.shares)} shares of the labels need as many lengths, got {len(self.lengths)}")
        for share in self.shares:
            if not 0 < share <= 1:
                raise ValueError(f"a share of the labels is in (0, 1], got {share}")
        for name, path in self.starts.items():
            if path is not None and not Path(path).is_file():
                raise FileNotFoundError(f"no checkpoint '{path}' ({name})")

    @cached_property
    def steps(self) -> dict[tuple[str, float, int], Step]:
        """By start, share and seed; small shares first, as they are quick."""
        return {
            (name, share, seed): self._training(name, checkpoint, share, seed, cfg, images)
            for (share, seed), (cfg, images) in self.configs.items()
            for name, checkpoint in self.starts.items()
        }

    @cached_property
    def configs(self) -> dict[tuple[float, int], tuple[Config, int]]:
        """By share and seed: the config from random weights, and the number of its images."""
        return {(share, seed): self._config(share, seed) for seed in self.seeds for share in sorted(self.shares)}

    def number(self, share: float) -> int:
        """Images of a share."""
        return self.configs[share, self.seeds[0]][1]

    def bundles(self) -> list[list[Step]]:
        """Starts are worth having only together."""
        return [[self.steps[name, share, seed] for name in self.starts] for share, seed in self.configs]

    def config_of(self, step: Step) -> Config:
        """The config of a training, with its length and its options."""
        assert step.config
        return load_config(step.config)

    def length(self, whole: int, share: float, unit: str) -> int:
        """How long a training on a share is, if the one on all labels is ``whole``.

        The number of updates falls as the root of the share: 1 % of the labels get a tenth of the updates, in which
        each image is seen ten times as often. Equal epochs would be too few updates, equal updates as costly as all.
        """
        if self.lengths:
            return self.lengths[list(self.shares).index(share)]
        factor = math.sqrt(share)
        return max(round(whole / factor if unit == "max_epochs" else whole * factor), 1)

    def _config(self, share: float, seed: int) -> tuple[Config, int]:
        folder = self.work_dir / "data" / f"{_percent(share)}_seed{seed}"
        cfg = load_config(self.config, {**self.options, "randomness.seed": seed})
        use_folder(cfg, self.data_root, self.work_dir / "data", _LOADERS, self.classes)
        images, _ = take_share(cfg, share, seed, folder)
        unit = "max_epochs" if "max_epochs" in cfg.train_cfg else "max_iters"
        old, before = cfg.train_cfg[unit], cfg.train_cfg.get("val_interval", 1)
        new = self.length(old, share, unit)
        set_length(cfg, **{"epochs" if unit == "max_epochs" else "iters": new}, given=self.options)
        if new > old:  # as many validations and checkpoints as in the config
            cfg.train_cfg.val_interval = round(before * new / old)
            cfg.default_hooks.checkpoint.interval = round(cfg.default_hooks.checkpoint.get("interval", 1) * new / old)
        limit_batch(cfg)
        return cfg, images

    def _training(self, name: str, checkpoint: str | None, share: float, seed: int, cfg: Config, images: int) -> Step:
        step = f"{name}_{_percent(share)}_seed{seed}"
        path, folder = self.work_dir / "configs" / f"{step}.py", self.work_dir / step
        own = Config(cfg.to_dict())
        if checkpoint is None and (own.optim_wrapper.get("paramwise_cfg") or {}).get("layer_decay"):
            own.optim_wrapper.paramwise_cfg.layer_decay = 1.0  # it would only hold back what has to be learnt
        path.parent.mkdir(parents=True, exist_ok=True)
        text = own.pretty_text
        if not path.is_file() or path.read_text() != text:
            write_file(path, text)
        words = ["train", path, "--work-dir", folder, "--resume", *(["--pretrained", checkpoint] if checkpoint else [])]
        by_epoch = "max_epochs" in own.train_cfg
        length = own.train_cfg.max_epochs if by_epoch else own.train_cfg.max_iters
        updates = length * max(images // own.train_dataloader.batch_size, 1) if by_epoch else length
        title = f"{name}, {_percent(share)} % of the labels, seed {seed}"
        makes = f"{'epoch' if by_epoch else 'iter'}_{length}.pth"
        return Step(self.work_dir, step, title, command(*words), float(updates), makes, (), path, updates, f"{share}")


def _percent(share: float) -> str:
    return f"{100 * share:g}"
