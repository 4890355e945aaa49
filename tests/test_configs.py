"""Every config can be read and its model built, and says what its name says."""

import re

import pytest
import torch
from mmengine.config import Config

from mirl_mm import ImageClassifier
from mirl_mm.datasets import build_pipeline
from mirl_mm.models.pretrainers import MaskedPretrainer
from mirl_mm.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from tests.models.timm_cases import check_timm_start
from tests.training import ROOT

#: Those of detectors and segmentors, which need mmdet and mmseg, are in tests/detection and tests/segmentation.
CONFIGS = sorted(
    path.relative_to(ROOT / "configs")
    for path in (ROOT / "configs").rglob("*.py")
    if not {"_base_", "det", "seg"} & set(path.parts) and not re.search("_(det|seg)_", path.name)
)
DEPTH = {"vits": 12, "vits54": 54, "vitb": 12, "vitb24": 24, "vitb48": 48}


def build(cfg: Config) -> MaskedPretrainer | ImageClassifier:
    with torch.device("meta"):
        return MODELS.build({**cfg.model, "_scope_": "mirl_mm"})


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_builds(path):
    cfg = Config.fromfile(ROOT / "configs" / path)
    model = build(cfg)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        steps = {step.type: step for step in loader.dataset.pipeline}
        crop = steps.get("RandomResizedCrop" if loader is cfg.train_dataloader else "CenterCrop")
        if crop is None:  # generated images are as large as they have to be, and a crop would change their labels
            assert path.name == "mirl_cls_shapes.py" and loader is cfg.train_dataloader
        else:
            assert tuple(crop.size) == model.backbone.img_size
        assert build_pipeline(loader.dataset.pipeline)
        if isinstance(model, MaskedPretrainer):
            patch = steps["MaskNoise"].patch_size
            assert ((patch,) * 2 if isinstance(patch, int) else tuple(patch)) == model.backbone.patch_size
        else:
            assert loader.dataset.labelled
    assert "end" not in cfg.param_scheduler  # it is the training's
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {
            "type": cfg.optim_wrapper.constructor,
            "optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": cfg.optim_wrapper.optimizer},
            "paramwise_cfg": cfg.optim_wrapper.get("paramwise_cfg"),
        }
    )
    groups = constructor(model).optimizer.param_groups
    if (cfg.optim_wrapper.get("paramwise_cfg") or {}).get("layer_decay", 1.0) < 1.0:
        assert len(groups) == 2 * (model.backbone.depth + 2)
    else:
        assert len(groups) == (2 if cfg.optim_wrapper.optimizer.weight_decay else 1)


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.parts[0] == "pretrain" and "in1k" in p.name], ids=str)
def test_name_and_recipe_agree(path):
    cfg = Config.fromfile(ROOT / "configs" / path)
    method, arch, epochs = re.fullmatch(r"(mirl|mae)_(vit[a-z0-9]+?)(?:_(\d+)e)?_in1k.py", path.name).groups()
    model = build(cfg)
    assert type(model).__name__ == method.upper()
    assert model.backbone.depth == DEPTH[arch]
    assert cfg.train_cfg.max_epochs == int(epochs or 800)
    assert cfg.param_scheduler.warmup == 40
    assert 8 * cfg.train_dataloader.batch_size * cfg.optim_wrapper.accumulative_counts == 4096
    assert cfg.optim_wrapper.optimizer.lr * 4096 / cfg.auto_scale_lr.base_batch_size == pytest.approx(2.4e-3)
    assert cfg.optim_wrapper.optimizer.betas == (0.9, 0.95)
    assert cfg.optim_wrapper.optimizer.weight_decay == 0.05


#: Of fine-tuning: epochs, warm-up, drop path.
FINETUNE = {
    "vits": (100, 5, 0.1),
    "vits54": (100, 20, 0.1),  # the paper's
    "vitb": (100, 5, 0.1),
    "vitb24": (50, 5, 0.2),
    "vitb48": (60, 30, 0.0),  # the paper's
}
CLS = [p for p in CONFIGS if p.parts[0] == "cls" and re.match("mirl.*in1k", p.name)]
#: Of public weights: the model in timm, layer decay of fine-tuning, drop path.
DINO = {"b": ("base", 0.65, 0.1), "l": ("large", 0.75, 0.2)}


def of_kind(kind: str) -> list:
    """Parameters: path of a config, and name of its encoder."""
    matches = [(p, re.fullmatch(rf"mirl_(vit[a-z0-9]+){kind}_in1k.py", p.name)) for p in CLS]
    return [pytest.param(p, match[1], id=p.stem) for p, match in matches if match]


def images_per_update(cfg: Config) -> int:
    return 8 * cfg.train_dataloader.batch_size * cfg.optim_wrapper.accumulative_counts


def types(cfg: Config, loader: str) -> list[str]:
    return [step.type for step in cfg[loader].dataset.pipeline]


def test_every_encoder_has_its_configs():
    assert {p.values[1] for p in of_kind("")} == {p.values[1] for p in of_kind("_linear")} == set(DEPTH)
    assert {p.values[1] for p in of_kind("_384px")} == {"vits54", "vitb", "vitb48"}
    assert len(CLS) == 2 * 5 + 3


@pytest.mark.parametrize(("path", "arch"), [*of_kind(""), *of_kind("_384px")])
def test_fine_tuning_recipe(path, arch):
    cfg = Config.fromfile(ROOT / "configs" / path)
    model, large = build(cfg), "384px" in path.name
    epochs, warmup, drop_path = FINETUNE[arch]
    assert model.backbone.depth == DEPTH[arch]
    assert model.backbone.img_size == ((384, 384) if large else (224, 224))
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert model.backbone.pos_embed.requires_grad
    assert isinstance(model.backbone.norm, torch.nn.Identity)
    head = model.head
    assert (head.num_classes, head.pool_kind, head.label_smoothing) == (1000, "avg", 0.1)
    assert isinstance(head.norm, torch.nn.LayerNorm)
    assert (model.mixup.mixup_alpha, model.mixup.cutmix_alpha) == (0.8, 1.0)
    assert model.erase.probability == 0.25
    assert cfg.model.random_erasing.mode == "pixel"
    assert types(cfg, "train_dataloader") == [
        "LoadImage",
        "RandomResizedCrop",
        "RandomFlip",
        "RandAugment",
        "PackInputs",
    ]
    assert cfg.train_dataloader.dataset.pipeline[3].policy == "rand-m9-mstd0.5-inc1"
    assert cfg.test_dataloader.dataset.pipeline[1].size == (384 if large else 256)
    assert cfg.train_dataloader.batch_size % 2 == 0
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.weight_decay, optimizer.betas) == ("AdamW", 0.05, (0.9, 0.999))
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay == 0.88
    assert images_per_update(cfg) == 2048
    peak = optimizer.lr * 2048 / cfg.auto_scale_lr.base_batch_size
    assert peak == pytest.approx(6e-4 if large else 6e-3)
    assert peak * cfg.param_scheduler.min_ratio == pytest.approx(1e-7 if large else 1e-6)
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler.warmup) == ((10, 1) if large else (epochs, warmup))
    (ema,) = cfg.custom_hooks
    assert (ema.type, ema.momentum) == ("ModelEMAHook", pytest.approx(2e-3 if large else 1 - 0.9998))
    assert (cfg.val_cfg.type, cfg.test_cfg.type) == ("EMAValLoop", "EMATestLoop")
    assert cfg.default_hooks.checkpoint.save_best == "ema/accuracy/top1"


@pytest.mark.parametrize(("path", "arch"), of_kind("_linear"))
def test_linear_probe_recipe(path, arch):
    cfg = Config.fromfile(ROOT / "configs" / path)
    model = build(cfg)
    assert model.backbone.depth == DEPTH[arch]
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"head.fc.weight", "head.fc.bias"}
    assert model.head.pool_kind == "token"
    assert isinstance(model.backbone.norm, torch.nn.LayerNorm)
    assert isinstance(model.head.norm, torch.nn.BatchNorm1d) and not model.head.norm.affine
    assert model.erase is None and model.mixup is None and model.head.label_smoothing == 0
    assert types(cfg, "train_dataloader") == ["LoadImage", "RandomResizedCrop", "RandomFlip", "PackInputs"]
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay, optimizer.momentum) == ("LARS", 0.1, 0.0, 0.9)
    assert images_per_update(cfg) == 16384
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler.warmup) == (90, 10)
    assert cfg.param_scheduler.get("min_ratio", 0.0) == 0.0


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.name.startswith("dino")], ids=str)
def test_public_weights(path):
    """The encoder is timm's, with images as timm says that it wants them, fine-tuned or frozen as the name says."""
    cfg = Config.fromfile(ROOT / "configs" / path)
    version, size, linear = re.fullmatch(r"dinov(\d)_vit([bl])(_linear)?_in1k.py", path.name).groups()
    name, decay, drop_path = DINO[size]
    patch = {"2": 14, "3": 16}[version]
    model = build(cfg)
    assert model.backbone.model_name.partition(".")[0] == f"vit_{name}_patch{patch}_dinov{version}"
    check_timm_start(cfg)
    assert (model.head.pool_kind, model.freeze_backbone) == ("token", bool(linear))
    assert isinstance(model.backbone.norm, torch.nn.LayerNorm)
    if linear:
        assert images_per_update(cfg) == 16384
    else:
        assert isinstance(model.head.norm, torch.nn.Identity)
        assert (cfg.optim_wrapper.paramwise_cfg.layer_decay, cfg.model.backbone.drop_path_rate) == (decay, drop_path)
        assert images_per_update(cfg) == 2048 and cfg.train_cfg.max_epochs == 50


def test_tiny_classifiers_take_the_tiny_encoder():
    """Its weights load only into the same blocks."""
    pairs = {
        "cls/mirl_tiny24_64px.py": "pretrain/mirl_tiny24_64px.py",
        "cls/mirl_tiny24_64px_linear.py": "pretrain/mirl_tiny24_64px.py",
        "shapes/mirl_cls_shapes.py": "shapes/mirl_pretrain_shapes.py",
    }
    for name, other in pairs.items():
        model, pretrainer = (build(Config.fromfile(ROOT / "configs" / path)) for path in (name, other))
        theirs = {name: tensor.shape for name, tensor in pretrainer.backbone.state_dict().items()}
        assert {n: t.shape for n, t in model.backbone.state_dict().items()}.items() <= theirs.items()
        assert model.backbone.num_heads == pretrainer.backbone.num_heads
