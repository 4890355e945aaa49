"""Every detection config builds, and says what its name says."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from timm.layers import LayerNorm2d

from mirl_mm.checkpoint import Weights, load_into
from mirl_mm.engine.derive_from_datasets import fit_to_datasets
from mirl_mm.engine.launch import load_config
from mirl_mm.engine.runner import exactly
from mirl_mm.models.backbones.presets import resolve_arch
from mirl_mm.registry import DATASETS, METRICS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from tests.models.timm_cases import check_timm_start
from tests.schedules import schedule_of
from tests.training import ROOT

CONFIGS = sorted(path.relative_to(ROOT / "configs") for path in (ROOT / "configs/det").glob("*.py"))
SHAPES = "shapes/mirl_det_shapes.py"
#: Layer decay, drop path, recomputation.
RECIPES = {
    "vitb": ("vit-b", 0.7, 0.1, False),
    "vitb24": ("vit-b-24", 0.8, 0.4, True),
    "vitb48": ("vit-b-48", 0.89, 0.4, True),
    "vits54": ("vit-s-54", 0.92, 0.1, True),
}
GLOBAL = {12: (2, 5, 8, 11), 24: (5, 11, 17, 23), 48: (11, 23, 35, 47), 54: (12, 26, 39, 53)}
HEADS = {"": "MaskRCNN", "_cascade": "CascadeRCNN", "_gfl": "GFL"}
COCO = [path for path in CONFIGS if path.stem.endswith("_coco") and path.stem.startswith("mirl")]


def build(cfg: Config):
    with torch.device("meta"), DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(cfg.model)


def groups_of(cfg: Config, model) -> list[dict]:
    settings = {
        "type": cfg.optim_wrapper.constructor,
        "optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": cfg.optim_wrapper.optimizer},
        "paramwise_cfg": cfg.optim_wrapper.paramwise_cfg,
    }
    return OPTIM_WRAPPER_CONSTRUCTORS.build(settings)(model).optimizer.param_groups


@pytest.mark.parametrize("path", [*CONFIGS, SHAPES], ids=str)
def test_builds(path):
    cfg = load_config(ROOT / "configs" / path)
    model = build(cfg)
    side = model.backbone.img_size
    assert model.data_preprocessor.pad_size_divisor == side[0] == side[1]
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    if path != SHAPES:  # its images have one size and no jitter
        assert tuple(steps["RandomCrop"].crop_size) == tuple(steps["RandomResize"].scale) == side
    assert tuple(cfg.test_dataloader.dataset.pipeline[1].scale) == side
    assert model.neck.lateral_convs[0][0].out_channels == model.neck.out_channels
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert DATASETS.get(loader.dataset.type).__name__ == "CocoDataset"
    assert METRICS.get(cfg.test_evaluator.type).__name__ == "CocoMetric"
    assert cfg.test_evaluator.get("ann_file") is None  # of the data set
    layers = {round(group["lr"] / cfg.optim_wrapper.optimizer.lr, 9) for group in groups_of(cfg, model)}
    same = path == SHAPES or "frozen" in path.stem  # one rate for all
    assert len(layers) == (1 if same else model.backbone.depth + 2)
    strides = (cfg.model.get("rpn_head") or cfg.model.bbox_head).anchor_generator.strides
    scales = model.backbone.map_stride[0] / torch.tensor(cfg.model.neck.get("scales", (4, 2, 1, 0.5)))
    assert strides[: len(scales)] == scales.tolist()
    assert len(strides) == model.neck.num_outs


@pytest.mark.parametrize("path", [*CONFIGS, SHAPES], ids=str)
def test_augmentation_goes_on_where_the_test_stops(path):
    """The first version is the usual one, and versions are merged as boxes are within one."""
    cfg = load_config(ROOT / "configs" / path)
    load, augment = cfg.tta_pipeline
    sizes, flips, annotations, pack = augment.transforms
    assert [load, sizes[0], *annotations] == cfg.test_dataloader.dataset.pipeline[:3]
    assert len({step.scale for step in sizes}) == 3 and max(step.scale for step in sizes) == sizes[0].scale
    assert [flip.prob for flip in flips] == [0, 1] and pack == [{"type": "PackDetInputs"}]
    rule = cfg.model.test_cfg.get("rcnn") or cfg.model.test_cfg
    assert cfg.tta_model.tta_cfg.nms == rule.nms
    assert cfg.tta_model.tta_cfg.max_per_img >= rule.max_per_img


@pytest.mark.parametrize("name", ["mirl_vitb_coco", "mirl_vitb_cascade_coco", "mirl_vitb_gfl_coco"])
def test_a_checkpoint_of_other_classes_is_named_as_such(name):
    cfg = load_config(ROOT / f"configs/det/{name}.py")
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].dataset.metainfo = {"classes": ("ant", "bee", "cat")}
    theirs = build(cfg).state_dict()
    fit_to_datasets(cfg)
    model = build(cfg)
    with pytest.raises(ValueError, match="Its heads have 80 classes, the model's 3: test it with its own classes"):
        load_into(model, Weights(theirs), exactly(model, "can't test this model from a.pth"))


def test_every_encoder_has_its_detectors():
    names = {path.name for path in COCO}
    assert {f"mirl_{arch}{head}_coco.py" for arch in RECIPES for head in ("", "_cascade")} <= names
    assert "mirl_vitb_gfl_coco.py" in names


@pytest.mark.parametrize("path", COCO, ids=str)
def test_recipe_is_vitdets(path):
    cfg = load_config(ROOT / "configs" / path)
    arch, head, variant = re.fullmatch(r"mirl_(vit[a-z0-9]+?)((?:_cascade|_gfl)?)((?:_24gb)?)_coco", path.stem).groups()
    name, decay, drop_path, recompute = RECIPES[arch]
    model = build(cfg)
    assert type(model).__name__ == HEADS[head]
    backbone = model.backbone
    assert (backbone.depth, backbone.embed_dims) == tuple(resolve_arch(name)[key] for key in ("depth", "embed_dims"))
    assert backbone.global_attn_indexes == GLOBAL[backbone.depth]
    assert backbone.window_size == (14, 14)
    assert backbone.use_rel_pos and backbone.position_grid == (14, 14) and backbone.pos_embed.requires_grad
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert bool(cfg.get("activation_checkpointing")) is (recompute or bool(variant))
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ("AdamW", 1e-4, 0.1)
    assert tuple(optimizer.betas) == (0.9, 0.999)
    assert cfg.optim_wrapper.type == "mirl_mm.Bf16OptimWrapper"
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay == decay
    steps = cfg.optim_wrapper.get("accumulative_counts", 1)
    assert 8 * cfg.train_dataloader.batch_size * steps == cfg.auto_scale_lr.base_batch_size == 64
    assert cfg.train_cfg.max_iters == 184375 * steps
    schedule, _ = schedule_of(cfg)
    assert (schedule.start_factor, schedule.warmup, schedule.end) == (0.001, 250 * steps, cfg.train_cfg.max_iters)
    assert (dict(schedule.milestones), schedule.gamma) == ({163889 * steps: 1, 177546 * steps: 1}, 0.1)
    assert cfg.train_cfg.val_interval == 5000 * steps and "interval" not in cfg.default_hooks.checkpoint
    types = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert types[2:] == ["RandomFlip", "RandomResize", "RandomCrop", "FilterAnnotations", "PackDetInputs"]
    jitter = cfg.train_dataloader.dataset.pipeline[3]
    assert tuple(jitter.ratio_range) == (0.1, 2.0) and jitter.keep_ratio
    assert [cfg.test_evaluator.metric] == [["bbox"] if head == "_gfl" else ["bbox", "segm"]]


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.name.startswith("dino")], ids=str)
def test_public_weights(path):
    cfg = load_config(ROOT / "configs" / path)
    size, frozen = re.fullmatch(r"dinov[23]_vit([bl])(_frozen)?_coco", path.stem).groups()
    check_timm_start(cfg)
    learns = {name.partition(".")[0] for name, parameter in build(cfg).named_parameters() if parameter.requires_grad}
    assert learns == {"neck", "rpn_head", "roi_head"} | (set() if frozen else {"backbone"})
    rates = {"b": (0.7, 0.1), "l": (0.8, 0.4)}[size]
    if not frozen:
        assert (cfg.optim_wrapper.paramwise_cfg.layer_decay, cfg.model.backbone.drop_path_rate) == rates


@pytest.mark.parametrize(("deep", "twelve", "depth", "decay"), [(24, 0.8, 48, 0.89), (12, 0.7, 54, 0.92)])
def test_layer_decay_keeps_the_lowest_layers_rate(deep, twelve, depth, decay):
    assert round(twelve ** ((deep + 1) / (depth + 1)), 2) == decay


def test_heads_are_vitdets():
    model = build(load_config(ROOT / "configs/det/mirl_vitb_coco.py"))
    assert len(model.rpn_head.rpn_conv) == 2
    box, mask = model.roi_head.bbox_head, model.roi_head.mask_head
    assert len(box.shared_convs) == len(mask.convs) == 4 and len(box.shared_fcs) == 1
    norms = {type(conv.norm).__name__ for conv in [*box.shared_convs, *mask.convs]}
    assert norms == {"LayerNorm2d"}
    assert {conv.norm.eps for conv in [*box.shared_convs, *mask.convs]} == {1e-6}
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(111, abs=0.5)  # ViTDet's table
    cascade = build(load_config(ROOT / "configs/det/mirl_vitb_cascade_coco.py")).roi_head
    assert [head.reg_class_agnostic for head in cascade.bbox_head] == [True] * 3
    assert [assigner.pos_iou_thr for assigner in cascade.bbox_assigner] == [0.5, 0.6, 0.7]


def test_weight_decay_is_of_all_but_the_encoders_norms_and_positions():
    """detectron2's ``weight_decay_norm=0`` and ``overrides={"pos_embed": {"weight_decay": 0.0}}``.

    The former misses its own LayerNorm: 18 tensors in the pyramid, 8 in the box head, 8 in the mask head.
    """
    cfg = load_config(ROOT / "configs/det/mirl_vitb_coco.py")
    model = build(cfg)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decay, rate = {}, {}
    for group in groups_of(cfg, model):
        for parameter in group["params"]:
            decay[names[id(parameter)]], rate[names[id(parameter)]] = group["weight_decay"], group["lr"] / 1e-4
    plain = {name for name, value in decay.items() if value == 0}
    norms = {f"backbone.blocks.{i}.norm{j}.{part}" for i in range(12) for j in (1, 2) for part in ("weight", "bias")}
    assert plain == norms | {"backbone.pos_embed"}
    assert sum(isinstance(module, LayerNorm2d) for module in model.modules()) * 2 == 34
    assert decay["backbone.blocks.0.attn.qkv.bias"] == decay["roi_head.bbox_head.fc_cls.bias"] == 0.1
    assert decay["backbone.blocks.3.attn.rel_pos_h"] == 0.1
    assert decay["roi_head.bbox_head.shared_convs.0.ln.weight"] == decay["neck.lateral_convs.0.1.bias"] == 0.1
    assert rate["backbone.pos_embed"] == rate["backbone.patch_embed.proj.weight"] == pytest.approx(0.7**13)
    assert rate["backbone.blocks.11.mlp.fc1.weight"] == pytest.approx(0.7)
    assert rate["neck.fpn_convs.0.0.weight"] == rate["rpn_head.rpn_cls.weight"] == 1


def test_shapes_detector_takes_the_shapes_encoder():
    pretraining = Config.fromfile(ROOT / "configs/shapes/mirl_pretrain_shapes.py")
    with torch.device("meta"):
        theirs = MODELS.build({**pretraining.model, "_scope_": "mirl_mm"}).backbone
    ours = build(load_config(ROOT / "configs" / SHAPES)).backbone
    assert ours.num_heads == theirs.num_heads and ours.depth == theirs.depth
    shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    assert all(shapes[n] == t.shape for n, t in ours.state_dict().items() if "rel_pos" not in n)
