"""A small detector trains, resumes, is tested; weights of other classes."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mirl_mm.engine.launch import build_runner
from mirl_mm.engine.training_length import set_length
from mirl_mm.registry import MODELS
from mirl_mm.shapes import CLASSES
from tests.batch import pretend, tried
from tests.conftest import forget_runs
from tests.detection.small import small_detector
from tests.mmlab import check_resumed, state, train
from tests.tools.test_train_and_test import call
from tests.training import ROOT

pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    """A folder with a config and its run of four steps."""
    folder = tmp_path_factory.mktemp("det")
    train(small_detector(shapes, folder / "run"))
    small_detector(shapes, folder / "run").dump(folder / "config.py")
    return folder


def test_the_number_of_classes_is_the_datas(trained):
    weights = state(trained / "run/iter_4.pth")
    assert weights["roi_head.bbox_head.fc_cls.weight"].shape[0] == len(CLASSES) + 1
    assert weights["roi_head.mask_head.conv_logits.weight"].shape[0] == len(CLASSES)


@pytest.mark.parametrize(("accumulated", "iters"), [(1, 9), (2, 10)])
def test_epochs_are_converted_by_the_number_of_images(shapes, tmp_path, capsys, accumulated, iters):
    """Three epochs of six images in batches of two, in whole updates."""
    cfg = small_detector(shapes, tmp_path, optim_wrapper__accumulative_counts=accumulated)
    set_length(cfg, epochs=3)
    assert cfg.train_cfg.max_iters == iters
    assert f"--epochs 3: of 6 images in batches of 2, train_cfg.max_iters = {iters} (was 4)" in capsys.readouterr().out


def test_epochs_on_the_command_line(trained):
    call("train.py", trained / "config.py", "--work-dir", trained / "epochs", "--epochs", "1")
    assert (trained / "epochs/last_checkpoint").read_text().endswith("iter_3.pth")
    assert Config.fromfile(trained / "epochs/config.py").train_cfg.max_iters == 3


def test_resumed_equals_uninterrupted(trained, shapes):
    cfg = small_detector(shapes, trained / "resumed", load_from=str(trained / "run/iter_2.pth"), resume=True)
    train(cfg)
    check_resumed(trained, rtol=1e-5, atol=1e-6)


def test_tool_gives_twelve_numbers_each_classes_and_results(trained):
    arguments = [trained / "config.py", trained / "run/iter_4.pth", "--work-dir", trained / "test", "--per-class"]
    low = ["--cfg-options", "model.test_cfg.rcnn.score_thr=0.0"]
    call("test.py", *arguments, "--json", trained / "m.json", "--predictions", trained / "results.json", *low)
    metrics = json.loads((trained / "m.json").read_text())
    for kind in ("bbox", "segm"):
        assert sum(name.startswith(f"coco/{kind}_") for name in metrics) == 12
        rows = json.loads((trained / f"results.{kind}.json").read_text())
        assert rows and {"image_id", "category_id", "score"} <= rows[0].keys()
        assert ("segmentation" in rows[0]) == (kind == "segm")
        assert {row["category_id"] for row in rows} <= set(range(1, 9))
    assert {f"coco/{name}_precision" for name in CLASSES} <= metrics.keys()


def results(trained, name: str, config: str = "config.py", *options) -> dict[str, list[dict]]:
    """What ``tools/test.py`` finds, boxes and masks."""
    out = trained / name
    low = ["--cfg-options", "model.test_cfg.rcnn.score_thr=0.0"]
    arguments = [trained / config, trained / "run/iter_4.pth", "--work-dir", trained / "test", *options]
    call("test.py", *arguments, "--predictions", f"{out}.json", "--json", f"{out}_m.json", *low)
    assert sum(name.startswith("coco/") for name in json.loads(Path(f"{out}_m.json").read_text())) == 24
    rows = {kind: json.loads(Path(f"{out}.{kind}.json").read_text()) for kind in ("bbox", "segm")}
    for found in rows.values():
        found.sort(key=lambda row: (row["image_id"], -row["score"]))
    return rows


def test_augmentation_with_one_version_changes_nothing(trained):
    cfg = Config.fromfile(trained / "config.py")
    sizes, flips, *_ = cfg.tta_pipeline[1].transforms
    cfg.tta_pipeline[1].transforms[:2] = sizes[:1], flips[:1]
    cfg.dump(trained / "one.py")
    plain, one = results(trained, "plain"), results(trained, "one", "one.py", "--tta")
    for kind, rows in plain.items():
        assert len(rows) > 4
        for ours, theirs in zip(one[kind], rows, strict=True):
            assert ours["score"] == pytest.approx(theirs["score"], abs=1e-6)
            assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=1e-3)
            assert ours.get("segmentation") == theirs.get("segmentation")


def test_augmentation_merges_all_versions(trained, monkeypatch):
    number: list[int] = []
    kind = MODELS.get("mirl_mm.DetTTAModel")
    merge = kind.merge_preds
    monkeypatch.setattr(kind, "merge_preds", lambda self, found: number.extend(map(len, found)) or merge(self, found))
    found = results(trained, "all", "config.py", "--tta")
    assert number == [6] * 4  # three sizes and their mirror images, of four images
    assert {kind: len(rows) > 0 for kind, rows in found.items()} == {"bbox": True, "segm": True}


def test_a_config_without_augmentation(trained):
    cfg = Config.fromfile(trained / "config.py")
    cfg.pop("tta_model")
    cfg.dump(trained / "none.py")
    with pytest.raises(ValueError, match="--tta: the config has no tta_model: configs of configs/det"):
        results(trained, "none", "none.py", "--tta")


def with_classes(shapes, work_dir, number: int, **options) -> Config:
    cfg = small_detector(shapes, work_dir, **options)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo = {"classes": CLASSES[:number]}
    return cfg


def test_a_checkpoint_of_other_classes_is_not_tested(trained, shapes, tmp_path):
    cfg = with_classes(shapes, tmp_path / "run", 5, load_from=str(trained / "run/iter_4.pth"))
    only_test(cfg)
    with pytest.raises(ValueError, match="Its heads have 8 classes, the model's 5: test it with its own classes"):
        build_runner(cfg, ["test_dataloader"]).test()


def only_test(cfg: Config) -> Config:
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    forget_runs()
    return cfg


def log(work_dir: Path) -> str:
    (path,) = work_dir.glob("*/*.log")
    return path.read_text()


def renamed(shapes, tmp_path) -> tuple[Path, dict]:
    """A copy of the data whose hearts are called leaf, and its metainfo."""
    copy = shutil.copytree(shapes, tmp_path / "renamed")
    for path in (copy / "annotations").glob("*.json"):
        path.write_text(path.read_text().replace('"heart"', '"leaf"'))
    return copy, {"classes": tuple("leaf" if name == "heart" else name for name in CLASSES)}


def test_as_many_classes_with_other_names(trained, shapes, tmp_path):
    data, metainfo = renamed(shapes, tmp_path)
    checkpoint = str(trained / "run/iter_4.pth")
    settings = {"test_dataloader__dataset__metainfo": metainfo, "load_from": checkpoint}
    build_runner(only_test(small_detector(data, tmp_path / "test", **settings)), ["test_dataloader"]).test()
    message = "1 of 8 classes of {} are OTHER ones than the checkpoint's: label 3 is 'leaf' here and 'heart' there. "
    assert f"{message.format('test_dataloader')}The figures are right only if" in log(tmp_path / "test")
    cfg = small_detector(data, tmp_path / "tuned", load_from=checkpoint, train_cfg__max_iters=1)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo = metainfo
    train(cfg)
    assert f"{message.format('train_dataloader')}The head starts with what" in log(tmp_path / "tuned")


def test_classes_in_another_order_are_not_tested(trained, shapes, tmp_path):
    settings = {"test_dataloader__dataset__metainfo": {"classes": CLASSES[::-1]}}
    cfg = only_test(small_detector(shapes, tmp_path / "run", load_from=str(trained / "run/iter_4.pth"), **settings))
    with pytest.raises(
        ValueError, match="test_dataloader has the checkpoint's classes in another order: label 0 is 'tri"
    ):
        build_runner(cfg, ["test_dataloader"]).test()


def test_training_on_leaves_out_a_head_of_other_classes(trained, shapes, tmp_path):
    cfg = with_classes(shapes, tmp_path / "run", 5, load_from=str(trained / "run/iter_4.pth"))
    cfg.optim_wrapper.optimizer.lr = 0.0
    cfg.train_cfg.max_iters = 2
    train(cfg)
    ours, theirs = state(tmp_path / "run/iter_2.pth"), state(trained / "run/iter_4.pth")
    other = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert {name for name in other if "running_" not in name and "batches_tracked" not in name} == {
        f"roi_head.{layer}.{part}"
        for layer in ("bbox_head.fc_cls", "bbox_head.fc_reg", "mask_head.conv_logits")
        for part in ("weight", "bias")
    }
    assert "left out and initialised anew, as their shapes differ" in log(tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model__backbone__window_size": 0}, "window_size"),
        ({"model__backbone__global_attn_indexes": (1, 4)}, "global_attn_indexes"),
    ],
)
def test_bad_windows(shapes, tmp_path, options, message):
    forget_runs()
    with pytest.raises(ValueError, match=message):
        build_runner(small_detector(shapes, tmp_path / "run", **options), ["train_dataloader"])


def test_missing_annotations_stop_the_tool_at_once(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="train_dataloader: data_root 'nowhere' is no folder"):
        call("train.py", trained / "config.py", "--work-dir", tmp_path, "--data-root", "nowhere")


def noting(function, notes: list):
    def wrapped(*args, **kwargs):
        priors = function(*args, **kwargs)
        notes.extend(priors)
        return priors

    return wrapped


def narrow(node) -> None:
    """Width 32 for 256 and 1024 wherever a config has them."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if "channels" in str(key) and value in (256, 1024):
            node[key] = 32
        narrow(value)


@pytest.mark.parametrize("name", ["cascade_coco", "gfl_coco"])
def test_other_detectors_learn_in_bfloat16(name, shapes, tmp_path, monkeypatch):
    """Two steps of the real config's heads, narrowed."""
    cfg = small_detector(shapes, tmp_path / "run", train_cfg__max_iters=2)
    other = Config.fromfile(ROOT / f"configs/det/mirl_vitb_{name}.py")
    keep = {"backbone": cfg.model.backbone, "data_preprocessor": cfg.model.data_preprocessor}
    cfg.model = Config({**other.model.to_dict(), **keep}, format_python_code=False)._cfg_dict
    cfg.model.neck.in_channels = 16
    narrow(cfg.model)
    cfg.optim_wrapper.type = other.optim_wrapper.type
    cfg.optim_wrapper.optimizer.lr = 1e-4
    cfg.val_evaluator.metric = other.val_evaluator.metric
    if "rpn_head" in cfg.model:
        cfg.model.train_cfg.rpn_proposal.max_per_img = 16
        for stage in cfg.model.train_cfg.rcnn:
            stage.sampler.num = 8
        cfg.model.test_cfg.rpn.max_per_img = 8
    from mmdet.models.task_modules import AnchorGenerator  # where mmdet is missing, tests are skipped, not broken

    boxes: list[torch.Tensor] = []
    monkeypatch.setattr(AnchorGenerator, "grid_priors", noting(AnchorGenerator.grid_priors, boxes))
    model = train(cfg)
    assert type(model).__name__ == other.model.type
    assert boxes and {priors.dtype for priors in boxes} == {torch.float32}
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert (tmp_path / "run/iter_2.pth").exists()


def test_batch_sizes_are_tried(shapes, tmp_path, monkeypatch):
    """With real steps, in which the images' objects are used up; only the memory is made up."""
    pretend(monkeypatch, lambda size: size)
    _, *tries = tried(small_detector(shapes, tmp_path / "x"), tmp_path, images=4, free=100)
    assert [(each["size"], each["fits"]) for each in tries] == [(1, True), (2, True), (4, True)]
