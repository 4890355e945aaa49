"""Training steps of the other tasks, as their runners take them: fine-tuning with its average, detector, segmentor."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mirl_mm.analysis.memory import activation_bytes, training_memory
from mirl_mm.analysis.parts import model_on_meta
from mirl_mm.analysis.profiling import compilations, forget_compilations, host_waits, kernels
from mirl_mm.analysis.scaling import flops_per_image
from mirl_mm.engine.data_root import use_folder
from mirl_mm.engine.ema import ModelEMAHook
from mirl_mm.engine.launch import build_runner, drop_validation, load_config

from . import data
from .bench import ROOT, Bench

_TINY = {
    "model.backbone.arch": {"depth": 4, "embed_dims": 48, "num_heads": 3, "_delete_": True},
    "train_dataloader.num_workers": 0,
}


class Case(NamedTuple):
    """A recipe.

    Attributes:
        title: For the report.
        config: In ``configs``.
        options: What is other than there.
        layout: Of its data, a folder of :func:`data.shapes`; ``""`` for an image folder.
        small: Config and options of the rehearsal.
    """

    title: str
    config: str
    options: dict[str, Any]
    layout: str
    small: tuple[str, dict[str, Any]]


CASES = {
    "finetuning": Case(
        "fine-tuning of B-48, average kept",
        "cls/mirl_vitb48_in1k.py",
        {},
        "",
        ("cls/mirl_tiny24_64px.py", {**_TINY, "train_dataloader.batch_size": 8}),
    ),
    "detector": Case(
        "Mask R-CNN on ViT-B, 1024 × 1024",
        "det/mirl_vitb_coco.py",
        {},
        "coco",
        ("shapes/mirl_det_shapes.py", {**_TINY, "train_dataloader.batch_size": 2, "model.neck.in_channels": 48}),
    ),
    "segmentor": Case(
        "UperNet on ViT-B, 512 × 512",
        "seg/mirl_vitb_ade20k.py",
        {"train_dataloader.batch_size": 8},
        "ade",
        (
            "shapes/mirl_seg_shapes.py",
            {
                **_TINY,
                "train_dataloader.batch_size": 2,
                "model.backbone.out_indices": (3,),
                "model.neck.in_channels": 48,
            },
        ),
    ),
}


class _Done(Exception):
    """All is measured."""


class _Measure(Hook):
    """Measures when a runner is about to train, and trains no further.

    Args:
        bench: The part's.
        keys: Of the row.
        computed: Bytes that are foreseen.
        flops: Of an image; None if they can't be told.
    """

    def __init__(self, bench: Bench, keys: dict[str, str], computed: float, flops: float | None) -> None:
        self.bench, self.keys, self.computed, self.flops = bench, keys, computed, flops

    def before_train(self, runner: Runner) -> None:
        """On the first batches of the loader."""
        batches: Iterator[Any] = cycle(list(islice(runner.train_dataloader, 2)))
        averages = [hook for hook in runner.hooks if isinstance(hook, ModelEMAHook)]
        runner.model.train()

        def step() -> None:
            batch = next(batches)
            outputs = runner.model.train_step(batch, runner.optim_wrapper)
            for hook in averages:
                hook.after_train_iter(runner, 0, batch, outputs)

        self._measure(step, runner.train_dataloader.batch_size)
        raise _Done

    def _measure(self, step: Callable[[], None], images: int) -> None:
        bench = self.bench
        forget_compilations()
        warm_up = bench.warm_up(step, 1)
        graphs = compilations().graphs
        warm_up += bench.warm_up(step)
        timed = bench.time(step)
        with bench.turn.alone():
            busy = sum(kernel.seconds for kernel in kernels(step, 2))
            waits = host_waits(step)
        counted = compilations()
        compiled = {"graphs": graphs, "graphs_later": counted.graphs - graphs, "breaks": counted.breaks}
        bench.record.add(
            "steps",
            **self.keys,
            images_per_s=1000 * images / timed.ms,
            used=self.flops and self.flops * images / timed.ms * 1000 / (timed.tflops * 1e12),
            computed_gb=self.computed / 1e9,
            warm_up_s=warm_up,
            busy_ms=1000 * busy,
            host_waits=None if waits is None else {"times": sum(waits.values()), "where": dict(waits)},
            **(compiled if graphs else {}),
            **timed._asdict(),
        )


def run(bench: Bench, case: str, compiles: bool = False) -> None:
    """A recipe's step.

    Args:
        bench: The part's.
        case: Of :data:`CASES`.
        compiles: Whether it is measured compiled as well as eager. A detector's and a segmentor's encoder is vitdet's.
    """
    chosen = CASES[case]
    config, options = chosen.small if bench.rehearse else (chosen.config, chosen.options)
    # An update a step, without a learning rate that follows the batch: the numbers don't matter.
    options = {**options, "optim_wrapper.accumulative_counts": 1, "auto_scale_lr.enable": False}
    cfg = load_config(ROOT / "configs" / config, options)
    use_folder(cfg, str(folder_of(bench, chosen)), bench.scratch / "data", ["train_dataloader"])
    drop_validation(cfg)
    cfg.work_dir, cfg.launcher, cfg.log_level = str(bench.scratch), "none", "WARNING"
    images = cfg.train_dataloader.batch_size
    if chosen.layout:
        memory = training_memory(
            cfg.model, cfg.default_scope, bench.device.type, bool(cfg.get("activation_checkpointing"))
        )
        computed, flops = memory.states + images * memory.activations, None
    else:
        computed, flops = classifier_bytes(cfg.model, images), flops_per_image(cfg)
    ways = ("eager", "compiled" if bench.rehearse else "CUDA graphs")
    for way in ways if compiles else ways[:1]:
        keys = {"step": f"{chosen.title}, batch {images}", "way": way}
        with bench.record.attempt("steps", **keys), contextlib.suppress(_Done):
            cfg.experiment_name = f"{case}_{way}"
            # A rehearsal's backend compiles in a moment, and finds the same graphs.
            cfg.compile = None if way == "eager" else {"backend": "aot_eager"} if bench.rehearse else True
            runner = build_runner(copy.deepcopy(cfg), ["train_dataloader"])
            runner.register_hook(_Measure(bench, keys, computed, flops))
            runner.train()
        runner = None


def classifier_bytes(model: Any, images: int) -> int:
    """What fine-tuning holds: weights, gradients, AdamW's averages, that of the weights, and activations in float32."""
    sizes = [(p.numel(), p.requires_grad) for p in model_on_meta(model).parameters()]
    return sum(size * (20 if trained else 8) for size, trained in sizes) + (activation_bytes(model, images) or 0)


def folder_of(bench: Bench, case: Case) -> Path:
    """Where the case's data is."""
    folder = bench.scratch.parent
    if not case.layout:
        number = 2 * (8 if bench.rehearse else 64)
        return data.image_folder(folder / "photos", number, number)
    return data.shapes(folder / "shapes", 16 if bench.rehearse else 32, 64 if bench.rehearse else 512) / case.layout
