"""The textbook formulation of MIRL's and MAE's loss: the reference for the faster one.

Same model, same weights, same fused attention; but every patch is embedded and the visible ones gathered, the target is
made for every patch, every token passes every decoder block and the prediction, and the mask is applied last, as in
the papers' published code. Tests hold the loss and all gradients of both formulations against each other.
"""

from typing import cast

import torch
from torch import Tensor, nn

from mirl_mm.models.backbones import Context
from mirl_mm.models.layers import patchify
from mirl_mm.models.layers.rows import at_least_float32
from mirl_mm.models.pretrainers import MAE, MIRL, MaskedPretrainer
from mirl_mm.models.pretrainers.decoder import MaskedDecoder
from mirl_mm.models.pretrainers.masked_pretrainer import Group
from mirl_mm.models.pretrainers.random_masking import Masking

#: What has a plain formulation.
KINDS = (MIRL, MAE)


class PlainFormulation(nn.Module):
    """A pre-trainer's loss, computed in the plain way.

    Args:
        model: The pre-trainer; its parameters are shared.

    Raises:
        TypeError: If it is neither MIRL nor MAE.
    """

    def __init__(self, model: MaskedPretrainer) -> None:
        super().__init__()
        if not isinstance(model, KINDS):
            raise TypeError(f"a plain formulation exists for MIRL and MAE, got {type(model).__name__}")
        self.model = model

    def forward(self, inputs: Tensor, noise: Tensor | None = None, mode: str = "loss") -> dict[str, Tensor]:
        """The loss, as the model's own ``forward(..., mode="loss")`` gives it.

        Args:
            inputs: ``(B, 3, H, W)``, normalised.
            noise: ``(B, L)``; see :class:`MaskedPretrainer`.
            mode: ``"loss"``, the only one.

        Raises:
            ValueError: For another mode.
        """
        if mode != "loss":
            raise ValueError(f"the plain formulation has mode 'loss' only, got {mode!r}")
        model = self.model
        masking = model.make_masking(inputs, noise)
        x = visible_tokens(model, inputs, masking)
        context = model.backbone.context(inputs, masking.ids_keep)
        make = mirl_groups if isinstance(model, MIRL) else mae_groups
        groups = make(model, x, masking, context)
        target = all_targets(model, inputs)
        terms = torch.stack([masked_error(group, target, masking.mask) for group in groups])
        names = model.term_names if len(groups) > 1 else ()
        return {"loss": terms.mean(), **{name: terms[i].detach() for i, name in enumerate(names)}}


def visible_tokens(model: MaskedPretrainer, images: Tensor, masking: Masking) -> Tensor:
    """Embed all patches by the convolution, then keep the prefix tokens and the visible: ``(B, P + K, C)``."""
    x, prefix = model.backbone.embed(images), model.backbone.num_prefix_tokens
    ids = masking.ids_keep[..., None].expand(-1, -1, x.shape[2])
    return torch.cat([x[:, :prefix], x[:, prefix:].gather(1, ids)], dim=1)


def mirl_groups(model: MIRL, x: Tensor, masking: Masking, context: Context = None) -> list[Group]:
    """MIRL's pairs (main, residual) for every patch from x⁰: ``(B, L, p*p*3)`` each, in image order."""
    backbone, size, last = model.backbone, model.segment_depth, model.num_segments
    z = [model.embeds[0](model.norms[0](x))]
    predictions: list[Tensor] = []
    for g in range(1, last + 1):
        x = backbone.run_blocks(x, (g - 1) * size, g * size, context)
        norm = backbone.norm if g == last else model.norms[g]
        memory = torch.cat(z, dim=1) if model.memory else None
        z.append(model.embeds[g](norm(x)))
        decoder = cast(MaskedDecoder, model.decoders[g - 1])
        predictions.append(decoder.forward_all(z[g], masking, memory))
    return model.groups(predictions)


def mae_groups(model: MAE, x: Tensor, masking: Masking, context: Context = None) -> list[Group]:
    """MAE's one prediction for every patch."""
    z = model.embed(model.backbone.norm(model.backbone.run_blocks(x, context=context)))
    return [(model.decoder.forward_all(z, masking),)]


def all_targets(model: MaskedPretrainer, images: Tensor) -> Tensor:
    """Every patch's pixels, normalised by its own statistics if the model does so: ``(B, L, p*p*3)``."""
    patches = patchify(images, model.patch_size)
    if not model.norm_target:
        return patches
    mean, var = patches.mean(dim=-1, keepdim=True), patches.var(dim=-1, keepdim=True)
    return (patches - mean) / (var + model.target_eps).sqrt()


def masked_error(group: Group, target: Tensor, mask: Tensor) -> Tensor:
    """Squared error of a group's sum, averaged over each patch, then over all masked patches: a scalar."""
    total = torch.stack([at_least_float32(part) for part in group]).sum(dim=0)
    error = (total - target).square().mean(dim=-1)
    return (error * mask).sum() / mask.sum()
