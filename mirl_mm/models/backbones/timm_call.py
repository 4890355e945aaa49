"""The call of ``timm.create_model`` that makes the network of a TimmViT, for whoever takes its weights elsewhere."""

from typing import Any

from torch import nn


def timm_call(
    backbone: Any, pool: str | None = None, head_norm: float | None = None, num_classes: int = 0
) -> tuple[str, dict[str, Any]]:
    """``timm.create_model``'s name and arguments for a :class:`~mirl_mm.TimmViT`, alone or in a classifier.

    Args:
        backbone: The TimmViT.
        pool: ``"avg"`` or ``"token"`` of a classifier's head; None: the backbone alone.
        head_norm: Epsilon of the norm that follows pooling; None if none does.
        num_classes: Of the head.

    Raises:
        ValueError: If timm has no such network.
    """
    final_norm = not isinstance(backbone.norm, nn.Identity)
    both = "the backbone's final_norm and the head's norm are both on, and timm's models have one of them"
    epsilon = f"the head's norm has epsilon {head_norm}, timm's of {backbone.model_name} {backbone.norm_eps:g}"
    for hinders, why in (
        (backbone.map_stride != backbone.patch_size, "timm has no model that resizes its images (map_stride)"),
        (backbone.window_size is not None, "timm's model has no windows (window_size)"),
        (final_norm and head_norm is not None, both),
        (
            backbone.dist_token is not None and pool is not None,
            "timm's models with a distillation token have two heads",
        ),
        (head_norm not in (None, backbone.norm_eps), epsilon),
    ):
        if hinders:
            raise ValueError(f"{why}: choose the layout 'mirl'")
    options = {**backbone.timm_kwargs, "num_classes": num_classes, "dynamic_img_size": True, "dynamic_img_pad": True}
    options["img_size"] = tuple(n * p for n, p in zip(backbone.grid, backbone.patch_size, strict=True))
    options["global_pool"] = pool or ("token" if backbone.has_class_token else "avg")
    if backbone.in_channels != 3:
        options["in_chans"] = backbone.in_channels
    if backbone.is_eva:
        options |= {"use_fc_norm": head_norm is not None, "use_post_transformer_norm": final_norm}
    else:
        options |= {"fc_norm": head_norm is not None, "final_norm": final_norm or head_norm is not None}
    return backbone.model_name.partition(".")[0], options
