"""How a model's training is run: compiled, in parts that suit it, or as CUDA graphs. No model knows of it.

Whole runs of blocks, decoders and losses are compiled each as one graph, and alike parts share it: launching 54 blocks
one by one from Python took longer than a GPU took to compute them (docs/speed.md). Gradients leave the graphs before
DDP and accumulation see them. What is evaluated is not compiled: other batches, other images and other modes would
each be compiled anew.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from timm.layers import DropPath
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from mirl_mm.models.backbones import Context, PlainBackbone
from mirl_mm.models.pretrainers import Pretrainer
from mirl_mm.models.pretrainers.decoder import MaskedDecoder

from .activation_checkpointing import CheckpointedForward, is_checkpointed, plain_backbone
from .hooks.unwrapped import unwrapped_model

#: Blocks of a graph at most: compiling takes time for each, and a launch costs little beside 12 blocks.
MAX_BLOCKS = 12


class Compiled(NamedTuple):
    """What was done to a model.

    Attributes:
        parts: What is compiled, for the log.
        cuda_graphs: Whether it runs as CUDA graphs.
        why: What kept more from being done; empty if nothing did.
    """

    parts: tuple[str, ...]
    cuda_graphs: bool
    why: str = ""

    def __str__(self) -> str:
        graphs = "as CUDA graphs" if self.cuda_graphs else "without CUDA graphs"
        return f"compiled for training: {', '.join(self.parts)}; {graphs}{f' ({self.why})' if self.why else ''}"


def compile_training(
    model: nn.Module, backend: str | Callable = "inductor", cuda_graphs: bool | None = None
) -> Compiled:
    """Let the parts of a model on a plain backbone be compiled when they are first trained; in place.

    =============================  ===========================  ===========
    training                       the encoder is compiled by   CUDA graphs
    =============================  ===========================  ===========
    MIRL, MAE, classifiers         runs of blocks               yes
    detectors, segmentors          runs of blocks               no: images of several sizes
    activation checkpointing       blocks                       no: blocks are run twice
    FSDP                           blocks                       no: weights come and go
    DDP                            runs of blocks               on request
    =============================  ===========================  ===========

    A pre-trainer's decoders and ``compiled_methods`` (embeddings, target and losses) are compiled as well. DDP,
    accumulation (see :func:`keep_gradients`) and drop path go with all of it. In evaluation mode, or without gradients,
    everything runs as if nothing were compiled; so do copies of the model.

    Args:
        model: On its device, without DDP around it.
        backend: Of ``torch.compile``.
        cuda_graphs: Run the parts as CUDA graphs. By default where they can be had, in a single process: they never
            were slower (docs/speed.md), but nobody has tried them on several GPUs.

    Raises:
        ValueError: If the model has no plain backbone, or if ``cuda_graphs=True`` is asked for where there are none.
    """
    backbone: Any = plain_backbone(model, "compile")
    by_blocks = _by_blocks(model, backbone)
    hindrance = by_blocks or _no_graphs(model, backend)
    if cuda_graphs and hindrance:
        raise ValueError(f"compile.cuda_graphs=True can't be had here: {hindrance}. Leave it out")
    if cuda_graphs is None:
        hindrance = hindrance or (
            "several processes: compile.cuda_graphs=True tries them" if get_world_size() > 1 else ""
        )
        cuda_graphs = not hindrance
    # DDP would have dynamo cut each graph where a bucket of gradients is full.
    torch._dynamo.config.optimize_ddp = False

    def compiled(function: Callable) -> Callable:
        return torch.compile(function, backend=backend, mode="reduce-overhead" if cuda_graphs else None)

    _share_drop_path(backbone)
    parts = []
    if by_blocks:
        for block in backbone.blocks:
            _while_training(block, "forward", compiled, block.forward)
        parts.append(f"{backbone.depth} blocks, one by one")
    else:
        bounds = segment_bounds(backbone, getattr(model, "segment_depth", backbone.depth))
        backbone.run_blocks = _Segments(backbone, compiled(_run_segment), bounds)
        lengths = sorted({stop - start for start, stop in pairwise(bounds)})
        parts.append(f"{_number(len(bounds) - 1, 'run')} of {_number(' or '.join(map(str, lengths)), 'block')}")
    if isinstance(model, Pretrainer):
        decoders = [module for module in model.modules() if isinstance(module, MaskedDecoder)]
        for decoder in decoders:
            _while_training(decoder, "forward", compiled)
        for name in model.compiled_methods:
            _while_training(model, name, compiled)
        parts += [_number(len(decoders), "decoder")] if decoders else []
        parts += model.compiled_methods.values()
    if cuda_graphs:
        model.register_forward_pre_hook(_begin_step)
    return Compiled(tuple(parts), cuda_graphs, hindrance)


def segment_bounds(backbone: PlainBackbone, segment_depth: int) -> list[int]:
    """Where the encoder is cut, from 0 to its depth.

    Cuts are where something is taken out: after each of ``segment_depth`` blocks and of the backbone's ``out_indices``.
    Between them are as few equal parts as have at most :data:`MAX_BLOCKS` blocks; where such parts are alike, in
    windows, too, one graph serves all of them.
    """
    taken = {*range(0, backbone.depth + 1, segment_depth), *(index + 1 for index in backbone.out_indices)}
    cuts = sorted({0, backbone.depth, *taken})
    pieces = [stop - start for start, stop in pairwise(cuts)]
    kinds = [(type(block), getattr(getattr(block, "attn", None), "window_size", None)) for block in backbone.blocks]
    common = math.gcd(*pieces)
    alike = [
        length
        for length in range(1, min(common, MAX_BLOCKS) + 1)
        if common % length == 0 and all(kind == kinds[i % length] for i, kind in enumerate(kinds))
    ]
    if alike and 2 * alike[-1] >= min(*pieces, MAX_BLOCKS):
        return [*range(0, backbone.depth + 1, alike[-1])]
    bounds = [0]
    for piece in pieces:
        start, number = bounds[-1], math.ceil(piece / MAX_BLOCKS)
        bounds += [start + piece * i // number for i in range(1, number + 1)]
    return bounds


def keep_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Let gradients stay where they are and be set to zero, for CUDA graphs with accumulation.

    A gradient that is not there yet would be the very tensor that a graph has written, and the next run of the graph
    would overwrite what is to be added to.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    zero_grad = optimizer.zero_grad
    optimizer.zero_grad = lambda set_to_none=False: zero_grad(set_to_none=False)  # type: ignore[method-assign]


class KeepGradientsHook(Hook):
    """Does :func:`keep_gradients` before a training's first iteration."""

    def before_train(self, runner: Runner) -> None:
        """The optimiser is built by now."""
        keep_gradients(runner.optim_wrapper.optimizer)


def _number(count: int | str, thing: str) -> str:
    return f"{count} {thing}{'' if str(count) == '1' else 's'}"


def _by_blocks(model: nn.Module, backbone: PlainBackbone) -> str:
    """Why blocks have to stay apart; empty if they need not."""
    if any(isinstance(module, FSDPModule) for module in model.modules()):
        return "FSDP gathers and frees weights block by block"
    return "activation checkpointing recomputes block by block" if is_checkpointed(backbone) else ""


def _no_graphs(model: nn.Module, backend: str | Callable) -> str:
    """Why there can be no CUDA graphs; empty if there can."""
    if next(model.parameters()).device.type != "cuda":
        return "no CUDA device"
    if not getattr(model, "fixed_image_size", False):
        return "images of several sizes"
    return "" if backend == "inductor" else f"backend {backend!r}"


class _WhileTraining:
    """Stands for a method: compiled while its owner trains with gradients, else as it is.

    Copies of the owner (an average of the weights) have a copy with themselves as the owner.
    """

    def __init__(self, owner: nn.Module, plain: Callable, compiled: Callable) -> None:
        self.owner, self.plain, self.compiled = owner, plain, compiled

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self.compiled if _trains(self.owner) else self.plain)(self.owner, *args, **kwargs)


class _Segments:
    """Stands for :meth:`PlainBackbone.run_blocks`."""

    def __init__(self, backbone: PlainBackbone, compiled: Callable, bounds: Sequence[int]) -> None:
        self.backbone, self.compiled, self.bounds = backbone, compiled, bounds

    def __call__(self, x: Tensor, start: int = 0, stop: int | None = None, context: Context = None) -> Tensor:
        stop = self.backbone.depth if stop is None else stop
        if not (_trains(self.backbone) and {start, stop} <= set(self.bounds)):
            return type(self.backbone).run_blocks(self.backbone, x, start, stop, context)
        blocks = list(self.backbone.blocks)
        bounds = [bound for bound in self.bounds if start <= bound <= stop]
        for first, last in pairwise(bounds):
            x = self.compiled(blocks[first:last], x, context and context[first:last])
        return x


def _run_segment(blocks: Sequence[nn.Module], x: Tensor, context: Context) -> Tensor:
    for index, block in enumerate(blocks):
        x = block(x, **context[index]) if context else block(x)
    return x


def _trains(module: nn.Module) -> bool:
    return module.training and torch.is_grad_enabled()


def _while_training(
    owner: nn.Module, name: str, compiled: Callable[[Callable], Callable], stand_in: Any = None
) -> None:
    plain = getattr(type(owner), name)
    holder = stand_in if isinstance(stand_in, CheckpointedForward) else owner
    setattr(holder, name, _WhileTraining(owner, plain, compiled(plain)))


def _begin_step(model: nn.Module, _: Any) -> None:
    """Tell CUDA graphs that what they gave in the last step may be overwritten (a forward pre-hook)."""
    if model.training:
        torch.compiler.cudagraph_mark_step_begin()


class SharedDropPath(nn.Module):
    """timm's ``DropPath`` with its rate in a tensor: blocks of different rates are one graph.

    Args:
        rate: Probability of dropping a sample's branch while training; what is kept is scaled by 1 / (1 - rate).
    """

    keep: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.register_buffer("keep", torch.tensor(1 - rate), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` -> ``(B, ...)``."""
        if not self.training:
            return x
        kept = torch.bernoulli(self.keep.expand(x.shape[0], *(1 for _ in x.shape[1:])))
        return x * (kept / self.keep).to(x.dtype)


def _share_drop_path(backbone: PlainBackbone) -> None:
    device = next(backbone.parameters()).device
    for module in list(backbone.blocks.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, DropPath):
                setattr(module, name, SharedDropPath(child.drop_prob).to(device))


def compile_runner(runner: Runner, **settings: Any) -> None:
    """:func:`compile_training` for the model of a runner, with ``settings``; its log says what was done."""
    done = compile_training(unwrapped_model(runner), **settings)
    if done.cuda_graphs and runner.optim_wrapper.get("accumulative_counts", 1) > 1:
        runner.register_hook(KeepGradientsHook())
    runner.cfg.compile = None  # by which mmengine would compile the whole step on top
    runner.logger.info(str(done))


def check_compile(settings: Any) -> Mapping[str, Any] | None:
    """The config's ``compile``: None, False, True, or a dict with ``backend`` and ``cuda_graphs``.

    Raises:
        ValueError: For anything else.
    """
    if settings is None or isinstance(settings, bool):
        return {} if settings else None
    known = {"backend", "cuda_graphs"}
    if not isinstance(settings, Mapping) or set(settings) - known:
        raise ValueError(f"compile must be True, False or a dict with {' and '.join(sorted(known))}, got {settings!r}")
    return settings
