"""Check that each batch norm has more than one value to average."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mirl_mm.engine.hooks.unwrapped import unwrapped_model
from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class BatchNormCheckHook(Hook):
    """Refuses to train with one image at a time where batch norm meets maps that were pooled to a single place.

    UperNet and PSPNet do that. The mean over one value is the value: torch stops, in the first step and with a message
    about channels.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the batch with the model.

        Raises:
            ValueError: If a batch norm would get one value.
        """
        model: Any = unwrapped_model(runner)
        pooled = any(isinstance(m, nn.AdaptiveAvgPool2d) and m.output_size in (1, (1, 1)) for m in model.modules())
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        images = runner.train_dataloader.batch_size or 1
        if any(isinstance(norm, nn.SyncBatchNorm) for norm in norms):
            images *= runner.world_size
        if pooled and norms and images == 1:
            raise ValueError(
                f"train_dataloader.batch_size=1: {type(model).__name__} has batch norm behind pooling to one place, "
                "and the mean of one value is that value: take batch_size=2 or more, or GN in the heads' norm_cfg"
            )
