"""Every segmentation config builds, and says what its name says."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope

from mirl_mm.engine.launch import load_config
from mirl_mm.models.backbones.presets import resolve_arch
from mirl_mm.models.backbones.settings import ends_of_quarters
from mirl_mm.registry import DATASETS, METRICS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS, TRANSFORMS
from tests.models.timm_cases import check_timm_start
from tests.schedules import rates_of
from tests.training import ROOT

CONFIGS = sorted(path.relative_to(ROOT / "configs") for path in (ROOT / "configs/seg").glob("*.py"))
SHAPES = Path("shapes/mirl_seg_shapes.py")
#: For little training: ViTDet's pyramid, one rate for all layers.
LITTLE = [SHAPES, Path("seg/mirl_tiny24_96px_camvid.py")]
#: Encoder, layer decay, recomputation.
RECIPES = {
    "vitb": ("vit-b", 0.7, False),
    "vitb24": ("vit-b-24", 0.8, True),
    "vitb48": ("vit-b-48", 0.89, True),
    "vits54": ("vit-s-54", 0.92, True),
}
UPERNET = [path for path in CONFIGS if re.fullmatch(r"mirl_vit[a-z0-9]+(_\d+px)?_ade20k", path.stem)]


def build(cfg: Config):
    with torch.device("meta"), DefaultScope.overwrite_default_scope("mmseg"):
        return MODELS.build(cfg.model)


def optimizer_of(cfg: Config, model) -> OptimWrapper:
    settings = {
        "type": cfg.optim_wrapper.constructor,
        "optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": cfg.optim_wrapper.optimizer},
        "paramwise_cfg": cfg.optim_wrapper.get("paramwise_cfg"),
    }
    return OPTIM_WRAPPER_CONSTRUCTORS.build(settings)(model)


def step(pipeline: list, kind: str) -> dict:
    return next(each for each in pipeline if each.type == kind)


@pytest.mark.parametrize("path", [*CONFIGS, SHAPES], ids=str)
def test_builds(path):
    cfg = load_config(ROOT / "configs" / path)
    model = build(cfg)
    size = model.backbone.img_size
    assert type(model).__module__ == "mirl_mm.segmentation.mmseg_parts.encoder_decoder"
    assert tuple(model.data_preprocessor.size) == size
    train = cfg.train_dataloader.dataset.pipeline
    scale = size
    if path != SHAPES:  # its images have one size and no jitter
        assert tuple(step(train, "RandomCrop").crop_size) == size
        scale = step(train, "RandomResize").scale
        assert min(scale) == min(size) or path in LITTLE
    test = [each.type for each in cfg.test_dataloader.dataset.pipeline]
    assert test == ["LoadImageFromFile", "Resize", "mirl_mm.LoadAnnotations", "PackSegInputs"]
    assert cfg.test_dataloader.dataset.pipeline[1].scale == scale
    if model.test_cfg.mode == "slide":
        assert tuple(model.test_cfg.crop_size) == size
        assert tuple(model.test_cfg.stride) == tuple(side * 2 // 3 for side in size)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert DATASETS.get(loader.dataset.type).__module__ == "mirl_mm.segmentation.mmseg_parts.dataset"
    assert METRICS.get(cfg.test_evaluator.type).__module__ == "mirl_mm.segmentation.mmseg_parts.metric"
    assert len(ends_of_quarters(model.backbone.depth)) == 4
    if model.with_neck:
        depth = model.backbone.depth
        assert model.backbone.out_indices == ((depth - 1,) if path in LITTLE else ends_of_quarters(depth))
        layers = {round(group["lr"], 12) for group in optimizer_of(cfg, model).optimizer.param_groups}
        assert len(layers) == (1 if path in LITTLE else depth + 2)


@pytest.mark.parametrize("path", [*CONFIGS, SHAPES], ids=str)
def test_test_time_augmentation(path):
    cfg = load_config(ROOT / "configs" / path)
    sizes, flips, *_ = cfg.tta_pipeline[1].transforms
    with DefaultScope.overwrite_default_scope("mmseg"):
        assert TRANSFORMS.build(cfg.tta_pipeline[1]).subroutines
        assert MODELS.get(f"mmseg.{cfg.tta_model.type}")
    scale = cfg.test_dataloader.dataset.pipeline[1].scale
    assert [flip.prob for flip in flips] == [0.0, 1.0]
    if path in LITTLE:
        assert tuple(scale) in [tuple(size.scale) for size in sizes]
    else:
        ratios = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
        assert [tuple(size.scale) for size in sizes] == [tuple(int(side * r) for side in scale) for r in ratios]


def test_every_encoder_has_its_config():
    names = {path.name for path in UPERNET}
    assert names == {f"mirl_{arch}_ade20k.py" for arch in RECIPES} | {"mirl_vitb48_640px_ade20k.py"}


@pytest.mark.parametrize("path", UPERNET, ids=str)
def test_recipe_is_maes(path):
    cfg = load_config(ROOT / "configs" / path)
    arch, side = re.fullmatch(r"mirl_(vit[a-z0-9]+?)(?:_(\d+)px)?_ade20k", path.stem).groups()
    name, decay, recompute = RECIPES[arch]
    size = (int(side or 512),) * 2
    model = build(cfg)
    backbone = model.backbone
    assert (backbone.depth, backbone.embed_dims) == tuple(resolve_arch(name)[key] for key in ("depth", "embed_dims"))
    assert backbone.img_size == size
    assert backbone.use_rel_pos and backbone.window_size is None and backbone.pos_embed.requires_grad
    assert cfg.model.backbone.drop_path_rate == 0.1
    assert bool(cfg.get("activation_checkpointing")) is recompute
    width = backbone.embed_dims
    assert model.neck.rescales == [4, 2, 1, 0.5]
    head, auxiliary = model.decode_head, model.auxiliary_head
    assert (type(head).__name__, head.channels, list(head.in_channels)) == ("UPerHead", width, [width] * 4)
    assert (type(auxiliary).__name__, auxiliary.in_index, auxiliary.loss_decode.loss_weight) == ("FCNHead", 2, 0.4)
    assert head.num_classes == auxiliary.num_classes == 150
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ("AdamW", 1e-4, 0.05)
    assert tuple(optimizer.betas) == (0.9, 0.999)
    assert cfg.optim_wrapper.type == "mirl_mm.Bf16OptimWrapper"
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay == decay
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 16
    assert cfg.train_cfg.max_iters == 160000
    assert cfg.train_cfg.val_interval == 8000 and "interval" not in cfg.default_hooks.checkpoint
    pipeline = cfg.train_dataloader.dataset.pipeline
    types = [each.type for each in pipeline[2:]]
    assert types == ["RandomResize", "RandomCrop", "RandomFlip", "PhotoMetricDistortion", "PackSegInputs"]
    resize, crop = pipeline[2], pipeline[3]
    assert (tuple(resize.scale), tuple(resize.ratio_range), resize.keep_ratio) == (
        (4 * size[0], size[0]),
        (0.5, 2),
        True,
    )
    assert crop.cat_max_ratio == 0.75


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.name.startswith("dino")], ids=str)
def test_public_weights(path):
    cfg = load_config(ROOT / "configs" / path)
    size, linear = re.fullmatch(r"dinov[23]_vit([bl])(_linear)?_ade20k", path.stem).groups()
    check_timm_start(cfg)
    model = build(cfg)
    width = model.backbone.embed_dims
    if linear:
        learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert learns == {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    else:
        assert model.backbone.map_stride == (16, 16) and model.decode_head.channels == width
        assert cfg.optim_wrapper.paramwise_cfg.layer_decay == {"b": 0.7, "l": 0.8}[size]


@pytest.mark.parametrize(("deep", "decay", "depth", "ours"), [(24, 0.8, 48, 0.89), (12, 0.7, 54, 0.92)])
def test_layer_decay_keeps_the_lowest_layers_rate(deep, decay, depth, ours):
    assert round(decay ** ((deep + 1) / (depth + 1)), 2) == ours


def test_rate_and_weight_decay_of_each_layer():
    cfg = load_config(ROOT / "configs/seg/mirl_vits54_ade20k.py")
    model = build(cfg)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decay, rate = {}, {}
    for group in optimizer_of(cfg, model).optimizer.param_groups:
        for parameter in group["params"]:
            decay[names[id(parameter)]], rate[names[id(parameter)]] = group["weight_decay"], group["lr"] / 1e-4
    assert decay.keys() == {name for name, p in model.named_parameters() if p.requires_grad}
    assert rate["backbone.pos_embed"] == rate["backbone.patch_embed.proj.weight"] == pytest.approx(0.92**55)
    for i in (0, 26, 53):
        assert rate[f"backbone.blocks.{i}.mlp.fc1.weight"] == pytest.approx(0.92 ** (54 - i))
    assert all(value == pytest.approx(1) for name, value in rate.items() if not name.startswith("backbone."))
    plain = {name for name, value in decay.items() if value == 0}
    assert plain == {name for name, p in model.named_parameters() if p.ndim == 1} | {"backbone.pos_embed"}
    assert set(decay.values()) == {0, 0.05}


def test_schedule_points():
    cfg = load_config(ROOT / "configs/seg/mirl_vitb48_ade20k.py")
    found = rates_of(cfg, 2001)
    assert found[0] == pytest.approx(1e-6)
    assert found[750] == pytest.approx(0.5, rel=1e-5)
    assert max(range(2001), key=found.__getitem__) == 1500 and found[1500] == pytest.approx(1)
    assert found[2000] == pytest.approx(1 - 500 / 158500)
    custom = load_config(ROOT / "configs/seg/custom_ade20k.py")
    found = rates_of(custom, 10000)
    assert found[500] == pytest.approx(1) and found[1000] == pytest.approx(1 - 500 / 9500)
    assert found[9999] == pytest.approx(1 / 9500)  # the last iteration still learns


def test_linear_head_is_all_that_learns():
    cfg = load_config(ROOT / "configs/seg/mirl_vitb48_linear_ade20k.py")
    model = build(cfg)
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learns == {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    groups = optimizer_of(cfg, model).optimizer.param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(1e-3, 1e-4), (1e-3, 0)]
    assert model.backbone.num_prefix_tokens == 1 and not model.backbone.use_rel_pos
    assert isinstance(model.backbone.norm, torch.nn.LayerNorm) and not model.decode_head.norm.affine
    assert cfg.train_cfg.max_iters == 40000 and cfg.param_scheduler.warmup == 1500


def test_shapes_segmentor_takes_the_shapes_encoder():
    pretraining = Config.fromfile(ROOT / "configs/shapes/mirl_pretrain_shapes.py")
    with torch.device("meta"):
        theirs = MODELS.build({**pretraining.model, "_scope_": "mirl_mm"}).backbone
    ours = build(load_config(ROOT / "configs" / SHAPES)).backbone
    assert ours.num_heads == theirs.num_heads and ours.depth == theirs.depth and ours.patch_size == theirs.patch_size
    shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    same = {n: t for n, t in ours.state_dict().items() if "rel_pos" not in n and n != "pos_embed"}  # which is resampled
    assert all(shapes[name] == tensor.shape for name, tensor in same.items())
