"""FSDP: weights, gradients and optimiser states are sharded over the processes, and training stays the same."""

from typing import Any

from mmengine.device import get_device
from mmengine.model import convert_sync_batchnorm
from mmengine.optim import OptimWrapper
from torch import nn

from mirl_mm.models.backbones.pretrained import skip_pretrained
from mirl_mm.registry import RUNNERS

from .ema import ModelEMAHook
from .fsdp import full_states, shard, shard_states
from .runner import Runner


@RUNNERS.register_module()
class ShardedRunner(Runner):
    """:class:`mirl_mm.engine.Runner` with PyTorch's FSDP2 in place of DDP; a config asks for it by ``runner_type``.

    Every process stores its shard of the weights, gradients and optimiser states. The backbone's blocks are gathered
    one at a time, in forward and backward pass, and all else (embeddings, decoders, necks, heads) together, for the
    whole step. The gradients are averaged over the processes as by DDP.

    Checkpoints are those of an ordinary run: whole tensors in one file, which any number of processes, with or
    without FSDP, loads and resumes. To write one, each process gathers it in its CPU memory (12 bytes for each
    parameter with AdamW). Gradients are reduced after every batch, also while they accumulate: their sum
    then takes a shard's memory, where DDP's takes the whole.

    Evaluation alone (``tools/test.py``) is as with DDP.

    Raises:
        ValueError: In a single process without a launcher, and together with an average of the weights.
    """

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Initialise the model, broadcast the weights of rank 0, and shard them.

        mmengine initialises weights after it has wrapped the model, which would fill each shard on its own.
        """
        if self._train_loop is None:
            return super().wrap_model(model_wrapper_cfg, model)
        if not self.distributed:
            raise ValueError("FSDP shards a model over several processes: start with tools/dist_train.sh or --launcher")
        if self.cfg.get("sync_bn"):
            model = convert_sync_batchnorm(model, self.cfg.sync_bn)
        self.model = model.to(get_device())
        if self._resume:
            skip_pretrained(model)
        super()._init_model_weights()
        shard(self.model)
        return self.model

    def _init_model_weights(self) -> None:
        """Nothing: :meth:`wrap_model` has done it."""

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """As mmengine's; the optimiser takes full states from a checkpoint."""
        built = super().build_optim_wrapper(optim_wrapper)
        if isinstance(built, OptimWrapper) and built is not optim_wrapper:
            built.optimizer.register_load_state_dict_pre_hook(shard_states)
        return built

    def train(self) -> nn.Module:
        """As mmengine's, after a check of the hooks."""
        if any(isinstance(hook, ModelEMAHook) for hook in self.hooks):
            raise ValueError(
                "FSDP can't keep an average of the weights (ModelEMAHook): leave it out with custom_hooks = [] and "
                "default_hooks.checkpoint.save_best without ema/, or train with DDP"
            )
        return super().train()

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """As mmengine's, which the first process alone runs: all of them gather the tensors for it."""
        with full_states(self.model, self.optim_wrapper.optimizer):
            super().save_checkpoint(*args, **kwargs)
