"""A pre-training step in each way: eager, the textbook's formulation, compiled, as CUDA graphs."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch

from mirl_mm.analysis import pretraining_macs
from mirl_mm.analysis.memory import activation_bytes
from mirl_mm.analysis.profiling import compilations, forget_compilations, host_waits, kernels
from mirl_mm.analysis.timing import Variant, run_step
from mirl_mm.analysis.training_bench import TrainingBench
from mirl_mm.engine.compilation import compile_training
from mirl_mm.engine.launch import load_config

from .bench import ROOT, Bench

#: Title, config, and what is other than there. MAE's ViT-L is its paper's largest of common size; there is no recipe.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "s54": ("MIRL S-54", "mirl_vits54_in1k", {}),
    "b48": ("MIRL B-48", "mirl_vitb48_in1k", {}),
    "mae-l": ("MAE ViT-L", "mae_vitb_in1k", {"model.backbone.arch": "vit-l"}),
}
#: Of the rehearsal.
SMALL = {
    "model.backbone.arch": {"depth": 12, "embed_dims": 48, "num_heads": 3, "_delete_": True},
    "model.backbone.img_size": (64, 64),
    "model.decoder_embed_dims": 32,
    "model.decoder_num_heads": 2,
}
#: The kernels that are listed.
COSTLIEST = 20


class Step:
    """A case's step at a batch size; its ways share weights and optimiser.

    Args:
        bench: The part's.
        case: Of :data:`CASES`.
        batch: Images.
    """

    def __init__(self, bench: Bench, case: str, batch: int) -> None:
        self.bench, self.batch = bench, max(2, batch // 64) if bench.rehearse else batch
        name, config, options = CASES[case]
        cfg = load_config(ROOT / f"configs/pretrain/{config}.py", options | (SMALL if bench.rehearse else {}))
        self.title = f"{name}, batch {self.batch}"
        self.training = TrainingBench(cfg)
        self.batches: Iterator[dict[str, Any]] = self.training.generated(self.batch)
        self.states = sum(4 * p.numel() + (12 * p.numel() if p.requires_grad else 0) for p in self.model.parameters())
        self.activations = activation_bytes(cfg.model, self.batch)

    @property
    def model(self) -> Any:
        """The pre-trainer."""
        return self.training.model

    @cache  # noqa: B019 - as long as the process
    def flops(self, plain: bool) -> int:
        """Of a step: forward and backward, nothing counted twice."""
        return pretraining_macs(self.training.cfg.model, self.batch, backward=True, plain=plain).flops

    def measure(self, way: str, variant: Variant, warm_up: float, **more: Any) -> None:
        """Time a way that has been warmed up, and take it down."""
        timed = self.bench.time(lambda: run_step(self.model, variant, self.batches))
        plain = way == "plain"
        self.bench.record.add(
            "steps",
            step=self.title,
            way=way,
            images_per_s=1000 * self.batch / timed.ms,
            used=self.flops(plain) / timed.ms * 1000 / (timed.tflops * 1e12),
            computed_gb=None if plain else (self.states + (self.activations or 0)) / 1e9,
            warm_up_s=warm_up,
            **timed._asdict(),
            **more,
        )


def run(bench: Bench, case: str, batch: int, first: bool = True, both: bool = False) -> None:
    """The ways of a case. Of those that are compiled, which takes most of the time, CUDA graphs come first.

    Args:
        bench: The part's.
        case: Of :data:`CASES`.
        batch: Images.
        first: Whether it is the case's first batch size, which has the plain formulation and the kernels, too.
        both: Compile with CUDA graphs and without.
    """
    step = Step(bench, case, batch)
    keys = {"step": step.title}
    with bench.record.attempt("steps", **keys, way="eager"):
        variant = step.training.variant("bf16")
        warm_up = bench.warm_up(lambda: run_step(step.model, variant, step.batches))
        step.measure("eager", variant, warm_up, **details(step, variant))
    if first:
        with bench.record.attempt("steps", **keys, way="plain"):
            variant = step.training.variant("bf16", plain=True)
            warm_up = bench.warm_up(lambda: run_step(step.model, variant, step.batches))
            step.measure("plain", variant, warm_up)
    graphs = bench.device.type == "cuda"
    if graphs:
        with bench.record.attempt("steps", **keys, way="CUDA graphs"):
            compiled(step, "CUDA graphs", list_kernels=first, cuda_graphs=True)
    else:
        bench.record.note("there are no CUDA graphs without a GPU")
    if both or not graphs:
        with bench.record.attempt("steps", **keys, way="compiled"):
            compiled(step, "compiled", list_kernels=first and not graphs, cuda_graphs=False)


def compiled(step: Step, way: str, list_kernels: bool, cuda_graphs: bool) -> None:
    """Compile the step, measure it, and see that nothing is compiled again, an evaluation in between."""
    bench = step.bench
    forget_compilations()
    # A rehearsal's backend compiles in a moment, and finds the same graphs.
    backend = "aot_eager" if bench.rehearse and not cuda_graphs else "inductor"
    done = compile_training(step.model, backend, cuda_graphs)
    variant = step.training.variant("bf16")
    one = lambda: run_step(step.model, variant, step.batches)  # noqa: E731
    warm_up = bench.warm_up(one, 1)
    graphs = compilations().graphs
    warm_up += bench.warm_up(one, 2)
    evaluate(step)
    one()
    counted = compilations()
    step.measure(
        way,
        variant,
        warm_up,
        parts=str(done),
        graphs=graphs,
        graphs_later=counted.graphs - graphs,
        breaks=counted.breaks,
        skipped_cuda_graphs=counted.skipped_cuda_graphs,
        **details(step, variant),
    )
    if list_kernels:
        with bench.turn.alone():
            found = kernels(one, 2)
        for place, kernel in enumerate(found[:COSTLIEST], start=1):
            row = {"place": place, "kernel": kernel.name, "ms": 1000 * kernel.seconds, "calls": kernel.calls}
            bench.record.add("kernels", step=f"{step.title}, {way}", **row)


def details(step: Step, variant: Variant) -> dict[str, Any]:
    """How long the device computes, and how often the host waits for it in a step as the runner takes it."""
    with step.bench.turn.alone():
        busy = sum(kernel.seconds for kernel in kernels(lambda: run_step(step.model, variant, step.batches), 2))
        waits = host_waits(lambda: step.model.train_step(next(step.batches), variant.optim_wrapper))
    found = None if waits is None else {"times": sum(waits.values()), "where": dict(waits)}
    return {"busy_ms": 1000 * busy, "host_waits": found}


def evaluate(step: Step) -> None:
    """What a validation does: another batch, without gradients."""
    batch = next(step.batches)
    few = {name: value[: step.batch // 2] for name, value in batch.items()}
    step.model.eval()
    with torch.no_grad():
        step.model.val_step(few)
    step.model.train()
