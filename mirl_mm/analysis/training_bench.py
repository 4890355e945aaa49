"""A config's training step, set up for measuring it: model, optimiser, batches and variants."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import Tensor

from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.engine.compilation import compile_training
from mirl_mm.engine.hooks.after_update import call_after_updates
from mirl_mm.engine.launch import fit_machine
from mirl_mm.models.pretrainers import Pretrainer
from mirl_mm.registry import MODELS, OPTIM_WRAPPERS, SCOPE

from .flops import is_pretrainer
from .textbook import PlainFormulation
from .timing import Variant

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_WRAPPERS = {"fp32": "OptimWrapper", "bf16": "Bf16OptimWrapper"}


class TrainingBench:
    """Model and optimiser of a pre-training config on the best device, and the variants of its step.

    Every batch is followed by an update, also where the config accumulates gradients.

    Args:
        cfg: A pre-training config.
        compile: Compile the step: :func:`~mirl_mm.engine.compilation.compile_training`.
        seed: Of weights and generated images.

    Raises:
        ValueError: If the config's model is no pre-trainer.
    """

    def __init__(self, cfg: Config, compile: bool = False, seed: int = 0) -> None:
        if not is_pretrainer(cfg.get("model") or {}):
            kind = (cfg.get("model") or {}).get("type")
            raise ValueError(f"the config's model is {kind}, no pre-trainer: give one of configs/pretrain")
        self.cfg = deepcopy(cfg)
        fit_machine(self.cfg)
        self.seed = seed
        self.device = torch.device(get_device())
        torch.manual_seed(seed)
        self.model: Pretrainer = MODELS.build(deepcopy(self.cfg.model.to_dict())).to(self.device).train()
        if self.cfg.get("activation_checkpointing"):
            checkpoint_activations(self.model)
        if compile:
            compile_training(self.model)
        with DefaultScope.overwrite_default_scope(SCOPE):
            self._optimizer = build_optim_wrapper(self.model, deepcopy(cfg.optim_wrapper)).optimizer
        call_after_updates(self.model, self._optimizer)

    def variant(self, dtype: str, plain: bool = False) -> Variant:
        """One way to compute the step; all share the model's parameters and the optimiser's state.

        Args:
            dtype: ``"fp32"``, or ``"bf16"`` for bfloat16 autocast.
            plain: Compute the loss by :class:`PlainFormulation`.
        """
        module = PlainFormulation(self.model) if plain else self.model
        settings = {"type": _WRAPPERS[dtype], "optimizer": self._optimizer}
        if "clip_grad" in self.cfg.optim_wrapper:
            settings["clip_grad"] = deepcopy(self.cfg.optim_wrapper.clip_grad)
        with DefaultScope.overwrite_default_scope(SCOPE):
            wrapper = OPTIM_WRAPPERS.build(settings)

        def loss(**batch: Tensor) -> Tensor:
            return module(**batch, mode="loss")["loss"]

        return Variant(f"{dtype} plain" if plain else dtype, loss, wrapper, DTYPES[dtype])

    def generated(self, batch_size: int) -> Iterator[dict[str, Any]]:
        """The same few batches of random images for ever, as the loader would give them: uint8 in host memory."""
        generator = torch.Generator().manual_seed(self.seed)
        shape = (batch_size, self.model.backbone.in_channels, *self.model.backbone.img_size)
        batches = [
            {
                "inputs": torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),
                "noise": torch.rand(batch_size, self.model.num_patches, generator=generator),
            }
            for _ in range(4)
        ]
        if self.device.type == "cuda":
            batches = [{name: value.pin_memory() for name, value in batch.items()} for batch in batches]
        return (dict(batch) for batch in cycle(batches))

    def loaded(self, batch_size: int) -> Iterator[dict[str, Any]]:
        """Batches of the config's train loader, epoch after epoch.

        Raises:
            ValueError: If the data set has less images than a batch.
        """
        settings = deepcopy(self.cfg.train_dataloader)
        settings.batch_size = batch_size
        with DefaultScope.overwrite_default_scope(SCOPE):
            loader = Runner.build_dataloader(settings, seed=self.seed)
        if not len(loader):
            raise ValueError(
                f"the data set has {len(loader.dataset)} images, less than a batch of {batch_size}: "
                "give a smaller --batch-size or --data synthetic"
            )
        return (batch for _ in iter(int, 1) for batch in loader)
