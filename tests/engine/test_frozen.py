"""A frozen TimmViT in each task: nothing of it changes, has a gradient or a state, or is kept for the backward pass."""

import pytest
import torch
from mmengine.registry import DefaultScope

from mirl_mm.analysis.saved_tensors import kept_bytes, storages
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from tests.training import ROOT

_SMALL = {
    "model.backbone.timm_kwargs": {"depth": 4, "embed_dim": 48, "num_heads": 3},
    "model.backbone.img_size": (64, 64),
    "model.backbone.init_cfg": None,
}


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ("cls/dinov2_vitb_in1k.py", {"model.freeze_backbone": True}),
        ("det/dinov2_vitb_coco.py", {"model.freeze_backbone": True}),
        ("seg/dinov2_vitb_ade20k.py", {"model.freeze_backbone": True, "model.backbone.out_indices": (0, 1, 2, 3)}),
    ],
)
def test_nothing_of_it_is_trained(config, options):
    task = config[:3]
    if task != "cls":
        pytest.importorskip(
            {"det": "mirl_mm.detection.mmdet_parts", "seg": "mirl_mm.segmentation.mmseg_parts"}[task],
            exc_type=ImportError,
        )
    cfg = load_config(ROOT / "configs" / config, _SMALL | options)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model).train()
        settings = {
            "type": cfg.optim_wrapper.constructor,
            "optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": cfg.optim_wrapper.optimizer},
            "paramwise_cfg": cfg.optim_wrapper.paramwise_cfg,
        }
        wrapper = OPTIM_WRAPPER_CONSTRUCTORS.build(settings)(model)
    assert not any(module.training for module in model.backbone.modules())
    images = torch.randn(2, 3, 64, 64)

    def features() -> list[torch.Tensor]:
        return [model.logits(images)] if task == "cls" else list(model.extract_feat(images))

    def behind(given: tuple[torch.Tensor, ...]) -> object:
        return model.head(given[0]) if task == "cls" else model.neck(given)

    with torch.no_grad():
        given = model.backbone.forward_tokens(images) if task == "cls" else model.backbone(images)
    known = storages(model)
    assert kept_bytes(features, known) == kept_bytes(lambda: behind(given), known) > 0

    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wrapper.update_params(sum(feature.square().mean() for feature in features()))
    with_state = {id(parameter) for parameter in wrapper.optimizer.state}
    for name, parameter in model.named_parameters():
        if name.startswith("backbone."):
            assert parameter.grad is None and id(parameter) not in with_state
            assert torch.equal(parameter, before[name]), name
        elif parameter.grad is not None and parameter.grad.any():
            assert not torch.equal(parameter, before[name]), name
    assert with_state
