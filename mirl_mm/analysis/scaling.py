"""What a whole training costs, and each of its GPUs: arithmetic, memory and communication, computed from a config."""

from typing import NamedTuple

from mmengine.config import Config
from torch import nn

from mirl_mm.engine.derive_from_datasets import fit_to_datasets
from mirl_mm.engine.layer_decay import find_backbone
from mirl_mm.registry import SCOPE

from .flops import is_pretrainer, pretraining_macs
from .parts import model_parts, total_cost

#: Bytes of a float32 number, and how many of them training keeps of a trained parameter: weight, gradient, AdamW's two.
FLOAT, STATES = 4, 4


class Batch(NamedTuple):
    """How an update's images are distributed.

    Attributes:
        gpus: Number of processes.
        images: Of one process's step.
        steps: Gradients accumulated for an update.
    """

    gpus: int
    images: int
    steps: int

    @property
    def update(self) -> int:
        """Images of an update."""
        return self.gpus * self.images * self.steps


class Parameters(NamedTuple):
    """Numbers of parameters.

    Attributes:
        all: All of them.
        trained: Those with a gradient.
        blocks: Those of the backbone's blocks.
        block: Those of one block.
    """

    all: int
    trained: int
    blocks: int
    block: int


class Shares(NamedTuple):
    """Of one GPU: what DDP and FSDP need.

    Attributes:
        states: Bytes of weights, gradients and AdamW's averages; with DDP also of its communication buffer.
        gathered: Bytes of what FSDP puts together for use; 0 with DDP.
        traffic: Bytes sent, and as many received, for an update.
    """

    states: float
    gathered: float
    traffic: float


def flops_per_image(cfg: Config) -> float:
    """Floating-point operations of training on one image, without recomputation.

    Of a pre-trainer they are counted, forward and backward, for the config's batch. Of other models they are three
    times those of a prediction, the backward pass being two (of a linear probe, whose backbone is frozen, once);
    heads on regions see other numbers of them in training.
    """
    if is_pretrainer(cfg.model):
        batch = cfg.train_dataloader.batch_size
        return pretraining_macs(cfg.model, batch, backward=True).flops / batch
    fit_to_datasets(cfg)
    frozen = cfg.model.get("freeze_backbone") or (cfg.model.get("backbone") or {}).get("frozen")
    passes = 1 if frozen else 3
    return passes * total_cost(model_parts(cfg.model, cfg.get("default_scope", SCOPE)))[1].flops


def images_seen(cfg: Config, images: int, gpus: int) -> int:
    """How many images a training takes in, counting repetitions.

    Args:
        cfg: The config.
        images: Number of the training set's.
        gpus: Processes for which the config was written; iterations are counted in their batches.
    """
    loop = cfg.train_cfg
    if loop.get("by_epoch", "max_epochs" in loop):
        return loop.max_epochs * images
    return loop.max_iters * cfg.train_dataloader.batch_size * gpus


def distribute_update(cfg: Config, gpus: int, written_for: int) -> Batch:
    """The config's update on another number of GPUs: first fewer steps, then smaller ones.

    Args:
        cfg: The config.
        gpus: Processes.
        written_for: Processes for which the config was written.

    Raises:
        ValueError: If the update can't be distributed evenly.
    """
    images = cfg.train_dataloader.batch_size
    update = images * cfg.optim_wrapper.get("accumulative_counts", 1) * written_for
    each = update // gpus
    images = min(images, each)
    if not each or update % gpus or each % images:
        raise ValueError(f"an update of {update} images can't be distributed to {gpus} GPUs in steps of {images or 1}")
    return Batch(gpus, images, each // images)


def count_parameters(model: nn.Module) -> Parameters:
    """Parameters of a model on a plain backbone."""
    sizes = [[p.numel() for p in block.parameters()] for block in find_backbone(model)[1].blocks]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Parameters(
        sum(p.numel() for p in model.parameters()), trained, sum(map(sum, sizes)), max(map(sum, sizes), default=0)
    )


def share(parameters: Parameters, batch: Batch, fsdp: bool) -> Shares:
    """Bytes of one GPU, all in float32; formulas are in ``docs/scaling.md``.

    Args:
        parameters: Of the model.
        batch: How an update's images are distributed.
        fsdp: Whether the model is sharded.
    """
    n = batch.gpus
    ring = (n - 1) / n  # of the whole, what a process sends when all gather or reduce it in a ring
    kept = FLOAT * (parameters.all + (STATES - 1) * parameters.trained)
    if not fsdp:
        buffer = FLOAT * parameters.trained if n > 1 else 0
        return Shares(kept + buffer, 0, 2 * ring * FLOAT * parameters.trained)
    rest = parameters.all - parameters.blocks
    gathered = FLOAT * (2 * rest + 3 * parameters.block)  # weights and gradients; the next block comes early
    moved = parameters.all + parameters.blocks + parameters.trained
    return Shares(kept / n, gathered, batch.steps * ring * FLOAT * moved)
