"""The depth study: methods of pre-training x depths of the encoder x seeds, each probed and fine-tuned."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config, DictAction

from mirl_mm.config import PREFIX, config_path, read_config
from mirl_mm.datasets.image_folder import ImageFolder
from mirl_mm.engine.launch import load_config, set_data_root
from mirl_mm.engine.training_length import set_length

from .step import Step, command
from .study import Study


class Method(NamedTuple):
    """A way of pre-training.

    Attributes:
        title: In tables and plots.
        config: First part of its configs' names in ``configs/study``.
        options: What is other than there, as ``--cfg-options`` has it.
    """

    title: str
    config: str
    options: Mapping[str, str] = {}


#: What results call an encoder that was not pre-trained.
RANDOM = "random"
METHODS = {
    "mirl": Method("MIRL", "mirl"),
    "mae": Method("MAE", "mae"),
    **{
        f"mirl-{number}seg": Method(f"MIRL, {number} segments", "mirl", {"model.num_segments": str(number)})
        for number in (2, 4, 8)
    },
    "mirl-whole": Method("MIRL, each segment predicts all", "mirl", {"model.residual": "False"}),
    "mirl-no-memory": Method("MIRL without memory", "mirl", {"model.memory": "False"}),
}


def variant(name: str, method: str, options: Mapping[str, str]) -> Method:
    """One of :data:`METHODS` pre-trained with other settings: another rate, mask ratio or decoder.

    Args:
        name: Its title, and a part of its folders' names.
        method: Of :data:`METHODS`.
        options: As ``--cfg-options`` has them.

    Raises:
        ValueError: For a name that is taken or can't be part of a folder's name, or an unknown method.
    """
    if name in (*METHODS, RANDOM) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name):
        raise ValueError(f"variant {name!r}: give it a name of its own, of letters, digits, '.' and '-'")
    if method not in METHODS:
        raise ValueError(f"variant {name} of {method}: there are {', '.join(METHODS)}")
    return Method(name, METHODS[method].config, {**METHODS[method].options, **options})


@dataclass(frozen=True)
class DepthStudy(Study):
    """A grid, and its steps.

    Attributes:
        work_dir: Where everything goes.
        data_root: A folder with ``train`` and ``val``, each of class folders.
        methods: Of :data:`METHODS` or ``variants``; the first is compared with each of the others.
        depths: In blocks, the most important first.
        seeds: Likewise.
        width: Of the encoder.
        epochs: Of pre-training and of fine-tuning; None for the configs'.
        fine_tune: Whether encoders are fine-tuned, too.
        options: For all trainings, as ``--cfg-options`` has them.
        probe_depths: After which blocks the probe looks: ``all``, or numbers, of which those above an encoder's depth
            are left out for it.
        variants: Further methods, by name; their options are for pre-training alone.
    """

    work_dir: Path
    data_root: str
    methods: Sequence[str] = ("mirl", "mae")
    depths: Sequence[int] = (24, 12, 48)
    seeds: Sequence[int] = (0, 1, 2)
    width: int = 96
    epochs: tuple[int | None, int | None] = (None, None)
    fine_tune: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    probe_depths: Sequence[str] = ("all",)
    variants: Mapping[str, Method] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.methods if name not in self.known]:
            raise ValueError(f"no method {', '.join(unknown)}: there are {', '.join(self.known)}")
        for method, depth in product(self.methods, self.depths):
            for part in (self.known[method].config, "cls"):
                path = config_path(self.config(part, depth))
                if not path.is_file():
                    known = ", ".join(sorted(each.stem for each in path.parent.glob("*.py")))
                    raise ValueError(f"no config of {depth} blocks of width {self.width}: configs/study has {known}")

        words = [each for each in self.probe_depths if not each.isdigit()]
        if words and list(self.probe_depths) != ["all"]:
            raise ValueError(f"--probe-depths {' '.join(self.probe_depths)}: give 'all', or numbers of blocks")
        if few := [depth for depth in self.depths if not self._probed(depth)]:
            raise ValueError(f"--probe-depths {' '.join(self.probe_depths)}: none is within {few[0]} blocks")

    @property
    def known(self) -> dict[str, Method]:
        """All methods that there are, by name."""
        return {**METHODS, **self.variants}

    def config(self, part: str, depth: int) -> str:
        """The name of a config: ``part`` is that of a method, or ``cls``."""
        return f"{PREFIX}study/{part}_{depth}x{self.width}.py"

    @cached_property
    def images(self) -> tuple[int, int]:
        """Numbers for training and for validation."""
        train, val = (len(ImageFolder(self.data_root, split)) for split in ("train", "val"))
        return train, val

    @cached_property
    def speed(self) -> dict[tuple[str, int], Step]:
        """A short measurement of each method's step at each depth."""
        return {(method, depth): self._speed(method, depth) for depth in self.depths for method in self.methods}

    @cached_property
    def steps(self) -> dict[tuple[str, str, int, int], Step]:
        """By (``pretrain``, ``probe`` or ``finetune``), method, depth and seed."""
        steps = {}
        for seed, depth, method in product(self.seeds, self.depths, self.methods):
            pretrain = self._training("pretrain", method, depth, seed)
            steps["pretrain", method, depth, seed] = pretrain
            steps["probe", method, depth, seed] = self._probe(method, depth, seed, pretrain)
            if self.fine_tune:
                steps["finetune", method, depth, seed] = self._training("finetune", method, depth, seed, (pretrain,))
        return steps

    @property
    def measurements(self) -> list[Step]:
        """Of each method's speed at each depth that is not done yet."""
        left = dict.fromkeys(key[1:3] for key, step in self.steps.items() if not step.done)
        return [self.speed[each] for each in left]

    def config_of(self, step: Step) -> Config:
        """The config of a training, with its length and its options."""
        part, method, _, seed = next(key for key, each in self.steps.items() if each is step)
        words = [f"{key}={value}" for key, value in self._settings(part, method, seed).items()]
        parser = argparse.ArgumentParser()
        parser.add_argument("--options", nargs="+", action=DictAction)
        options = parser.parse_args(["--options", *words]).options
        assert step.config
        cfg = load_config(step.config, options)
        set_data_root(cfg, self.data_root)
        set_length(cfg, epochs=self.epochs[part == "finetune"], given=options)
        return cfg

    def bundles(self) -> list[list[Step]]:
        """Steps that are worth having only together, by falling value.

        The first two methods come first, seed by seed, since one run of each is worth more than more of some; each
        further method then is a bundle of its own.
        """
        together = [self.methods[:2], *([method] for method in self.methods[2:])]
        parts = [("pretrain", "probe"), *([("finetune",)] if self.fine_tune else [])]
        return [
            [self.steps[part, method, depth, seed] for part, method in product(some, methods)]
            for methods, seed, depth, some in product(together, self.seeds, self.depths, parts)
        ]

    def title(self, method: str, depth: int) -> str:
        """Such as ``MIRL, 24 blocks``."""
        return f"{self.known[method].title}, {depth} blocks"

    def length(self, part: str, method: str, cfg: Config) -> int:
        """Epochs of a training whose config is ``cfg``."""
        given = self._settings(part, method, 0).get("train_cfg.max_epochs", cfg.train_cfg.max_epochs)
        return self.epochs[part == "finetune"] or int(given)

    def _settings(self, part: str, method: str, seed: int) -> dict[str, str]:
        """``--cfg-options`` of a training."""
        own = self.known[method].options if part == "pretrain" else {}
        return {**own, **self.options, "randomness.seed": str(seed)}

    def _speed(self, method: str, depth: int) -> Step:
        name = f"speed_{method}_{depth}x{self.width}"
        amp = "Bf16" in str(read_config(self.config("mirl", depth)).optim_wrapper.type)
        words = ["benchmark", self.config(self.known[method].config, depth), "--iters", 5, "--no-memory"]
        words += [] if torch.cuda.is_available() else ["--threads", 1, "--clock", "cpu"]  # whatever else runs here
        words += ["--dtype", "bf16" if amp else "fp32", "--json", self.work_dir / name / "speed.json"]
        title = f"{self.title(method, depth)}: speed"
        return Step(self.work_dir, name, title, command(*words, options=self.known[method].options), 20.0, "speed.json")

    def _training(self, part: str, method: str, depth: int, seed: int, needs: tuple[Step, ...] = ()) -> Step:
        pretrains = part == "pretrain"
        name = f"{method}_{depth}x{self.width}_seed{seed}" + ("" if pretrains else "_finetune")
        config = self.config(self.known[method].config if pretrains else "cls", depth)
        cfg = read_config(config)
        epochs = self.length(part, method, cfg)
        options = self._settings(part, method, seed)
        words = ["train", config, "--data-root", self.data_root, "--work-dir", self.work_dir / name, "--resume"]
        words += ["--epochs", given] if (given := self.epochs[not pretrains]) else []
        words += ["--pretrained", needs[0].folder / needs[0].makes] if needs else []
        batch = int(options.get("train_dataloader.batch_size", cfg.train_dataloader.batch_size))
        return Step(
            self.work_dir,
            name,
            f"{self.title(method, depth)}, seed {seed}: {'pre-training' if pretrains else 'fine-tuning'}",
            command(*words, options=options),
            60.0,
            f"epoch_{epochs}.pth",
            needs,
            config,
            epochs * max(self.images[0] // batch, 1),
            f"{part} {self.known[method].config if pretrains else ''}{depth}",
        )

    def _probed(self, depth: int) -> list[str]:
        return [each for each in self.probe_depths if each == "all" or int(each) <= depth]

    def _probe(self, method: str, depth: int, seed: int, pretrain: Step) -> Step:
        name = f"{pretrain.name}_probe"
        words = ["depth_probe", pretrain.folder / pretrain.makes, "--labels", self.known[method].title]
        words += ["--data-root", self.data_root, "--out-dir", self.work_dir / name, "--seed", seed]
        words += ["--random"] if method == self.methods[0] else []
        words += ["--depths", *self._probed(depth)]
        title = f"{self.title(method, depth)}, seed {seed}: probe"
        return Step(
            self.work_dir, name, title, command(*words), 60.0, "depth_probe.json", (pretrain,), kind=f"probe {depth}"
        )
