"""float32 outputs of the heads of detectors and segmentors under mixed precision."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class Float32HeadsHook(Hook):
    """Lets heads of mmdet and mmseg run their layers in bfloat16, and all that follows in float32.

    mmdet makes anchors in the type of a head's output, and bfloat16's 8 bits place a box near pixel 1000 only to within
    4 pixels; mmcv's compiled RoIAlign, suppression and focal loss know no bfloat16 at all. detectron2 likewise decodes
    boxes in float32. mmseg resizes scores to the image and takes the mean loss of its pixels, each of which bfloat16
    would round. Without mixed precision it does nothing.

    Args:
        heads: Attributes by which a head is known whose outputs become float32; default: methods of mmseg's heads and
            of mmdet's, dense ones and those on regions.
        layers: Attributes that are the last layer of a head which is not called but by its forward method, as mmseg's
            are: its outputs become float32.
        inputs: Attributes by which a part is known whose inputs become float32.
    """

    def __init__(
        self,
        heads: Sequence[str] = ("loss_by_feat", "loss_and_target"),
        layers: Sequence[str] = ("conv_seg",),
        inputs: Sequence[str] = ("roi_layers",),
    ) -> None:
        self.heads, self.layers, self.inputs = heads, layers, inputs
        self._handles: list[RemovableHandle] = []

    def before_train(self, runner: Runner) -> None:
        """Attach to the heads."""
        for module in runner.model.modules():
            if any(hasattr(module, name) for name in self.heads):
                self._handles.append(module.register_forward_hook(_cast_outputs))
            for name in self.layers:
                if hasattr(module, name):
                    self._handles.append(getattr(module, name).register_forward_hook(_cast_outputs))
            if any(hasattr(module, name) for name in self.inputs):
                self._handles.append(module.register_forward_pre_hook(lambda _, inputs: to_float32(inputs)))

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        while self._handles:
            self._handles.pop().remove()


def _cast_outputs(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    return to_float32(outputs)


def to_float32(value: Any) -> Any:
    """Tensors of lower precision as float32, in tuples and lists, too."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
    if isinstance(value, (tuple, list)):
        return type(value)(to_float32(each) for each in value)
    return value
