"""A small segmentor trains, resumes, is tested; weights of other classes."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mirl_mm.discovery.found import NothingFoundError
from mirl_mm.engine.launch import build_runner, join_processes, load_config
from mirl_mm.shapes import CLASSES as OBJECTS
from tests.batch import pretend, tried
from tests.conftest import forget_runs
from tests.mmlab import check_resumed, state, train
from tests.segmentation.small import small_segmentor
from tests.tools.test_train_and_test import call
from tests.training import ROOT

pytestmark = pytest.mark.usefixtures("device")

CLASSES = ("background", *OBJECTS)


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    """A folder with a config and its run of four steps."""
    folder = tmp_path_factory.mktemp("seg")
    train(small_segmentor(shapes, folder / "run"))
    small_segmentor(shapes, folder / "run").dump(folder / "config.py")
    return folder


def test_the_number_of_classes_is_the_datas(trained):
    weights = state(trained / "run/iter_4.pth")
    for head in ("decode_head", "auxiliary_head"):
        assert weights[f"{head}.conv_seg.weight"].shape[0] == len(CLASSES)
    assert torch.load(trained / "run/iter_4.pth", weights_only=False)["meta"]["dataset_meta"]["classes"] == CLASSES


def test_resumed_equals_uninterrupted(trained, shapes):
    cfg = small_segmentor(shapes, trained / "resumed", load_from=str(trained / "run/iter_2.pth"), resume=True)
    train(cfg)
    check_resumed(trained, rtol=0, atol=0)


def evaluated(trained, name: str, *options) -> dict[str, float]:
    """What ``tools/test.py`` finds; predictions are in a folder of this name."""
    arguments = [trained / "config.py", trained / "run/iter_4.pth", "--work-dir", trained / "test", *options]
    call("test.py", *arguments, "--json", trained / f"{name}.json", "--predictions", trained / name)
    return json.loads((trained / f"{name}.json").read_text())


def test_tool_gives_each_classes_iou_and_masks(trained, shapes):
    metrics = evaluated(trained, "plain", "--per-class")
    assert {"mIoU", "mAcc", "aAcc"} | {f"IoU_{name}" for name in CLASSES} <= metrics.keys()
    right = total = 0
    for path in sorted((shapes / "annotations/validation").glob("*.png")):
        found, truth = (np.asarray(Image.open(each)) for each in (trained / "plain" / path.name, path))
        assert found.min() >= 1 and found.max() <= len(CLASSES)  # values as in the data set's masks
        right, total = right + (found == truth).sum(), total + truth.size
    assert metrics["aAcc"] == pytest.approx(100 * right / total)


def test_augmentation(trained):
    """Merged from three sizes and their mirror images; with the plain version alone it is the plain result."""
    plain, all_versions = evaluated(trained, "plain"), evaluated(trained, "all", "--tta")
    assert all_versions.keys() == plain.keys()
    cfg = Config.fromfile(trained / "config.py")
    sizes, flips, *_ = cfg.tta_pipeline[1].transforms
    cfg.tta_pipeline[1].transforms[:2] = [size for size in sizes if tuple(size.scale) == (64, 64)], flips[:1]
    cfg.dump(trained / "one.py")
    call("test.py", trained / "one.py", trained / "run/iter_4.pth", "--tta", "--json", trained / "one.json")
    assert json.loads((trained / "one.json").read_text()) == pytest.approx(plain)
    masks = [np.asarray(Image.open(trained / name / "00000000.png")) for name in ("plain", "all")]
    assert masks[0].shape == masks[1].shape and not np.array_equal(*masks)


def with_classes(shapes, work_dir, number: int, **options) -> Config:
    """More classes than the masks have."""
    cfg = small_segmentor(shapes, work_dir, **options)
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        head.loss_decode.class_weight = None
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo = {"classes": tuple(f"class {i}" for i in range(number))}
    return cfg


def test_a_checkpoint_of_other_classes_is_not_tested(trained, shapes, tmp_path):
    cfg = with_classes(shapes, tmp_path / "run", 12, load_from=str(trained / "run/iter_4.pth"))
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    forget_runs()
    with pytest.raises(ValueError, match="Its heads have 9 classes, the model's 12: test it with its own classes"):
        build_runner(cfg, ["test_dataloader"]).test()


def test_training_on_leaves_out_heads_of_other_classes(trained, shapes, tmp_path):
    cfg = with_classes(shapes, tmp_path / "run", 12, load_from=str(trained / "run/iter_4.pth"))
    cfg.optim_wrapper.optimizer.lr = 0.0
    cfg.train_cfg.max_iters = 2
    train(cfg)
    ours, theirs = state(tmp_path / "run/iter_2.pth"), state(trained / "run/iter_4.pth")
    learnt = [name for name in ours if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    other = {name for name in learnt if not torch.equal(ours[name], theirs[name])}
    assert other == {
        f"{head}.conv_seg.{part}" for head in ("decode_head", "auxiliary_head") for part in ("weight", "bias")
    }
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "left out and initialised anew, as their shapes differ" in log.read_text()


def test_one_image_at_a_time_is_refused_before_the_first_step(shapes, tmp_path):
    with pytest.raises(
        ValueError, match=r"train_dataloader.batch_size=1: EncoderDecoder has batch norm behind pooling"
    ):
        train(small_segmentor(shapes, tmp_path / "run", train_dataloader__batch_size=1))


def test_batch_norm_of_several_cpus_is_plain(shapes, tmp_path, monkeypatch):
    """torch's ``SyncBatchNorm`` refuses a CPU's tensors."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend: None)
    cfg = small_segmentor(shapes, tmp_path / "run")
    cfg.launcher = "pytorch"
    assert cfg.sync_bn == "torch"
    join_processes(cfg)
    assert cfg.sync_bn is None and cfg.model_wrapper_cfg.device_ids is None


def test_missing_masks_stop_the_tool_at_once(trained, shapes, tmp_path):
    with pytest.raises(FileNotFoundError, match="train_dataloader: data_root 'nowhere' is no folder"):
        call("train.py", trained / "config.py", "--work-dir", tmp_path, "--data-root", "nowhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images").symlink_to(shapes / "images")
    with pytest.raises(NothingFoundError, match=r"/data' has no pairs of image and mask in a layout that is known"):
        call("train.py", trained / "config.py", "--work-dir", tmp_path, "--data-root", tmp_path / "data")


def test_a_file_of_classes_in_the_data_sets_folder(trained, shapes, tmp_path):
    """By options alone: other data, other classes."""
    options = ["--classes", "classes.txt", "--iters", "2"]
    call("train.py", trained / "config.py", "--work-dir", tmp_path / "run", "--data-root", shapes, *options)
    saved = load_config(tmp_path / "run/config.py")
    assert saved.model.decode_head.num_classes == len(CLASSES) and saved.train_cfg.max_iters == 2
    assert tuple(saved.train_dataloader.dataset.metainfo.classes) == CLASSES


@pytest.mark.parametrize("config", ["seg/mirl_vitb_ade20k.py", "seg/mirl_vitb48_linear_ade20k.py"])
def test_heads_of_the_recipes_learn_in_bfloat16(config, shapes, tmp_path):
    """Two steps of the real config's model, narrowed; scores and losses are float32."""
    cfg = small_segmentor(shapes, tmp_path / "run", train_cfg__max_iters=2)
    other = load_config(ROOT / "configs" / config)
    model = other.model
    model.data_preprocessor.size = model.backbone.img_size = (64, 64)
    model.backbone.update(arch={"depth": 4, "embed_dims": 16, "num_heads": 2}, patch_size=8)
    model.decode_head.update(in_channels=16)
    if model.get("neck"):
        model.backbone.out_indices = (0, 1, 2, 3)
        model.neck.embed_dim = 16
        model.decode_head.update(in_channels=[16] * 4, channels=16)
        model.auxiliary_head.update(in_channels=16, channels=16)
    model.test_cfg.update(crop_size=(64, 64), stride=(42, 42))
    cfg.model = model
    cfg.optim_wrapper = other.optim_wrapper
    seen: set[torch.dtype] = set()
    forget_runs()
    runner = build_runner(cfg, ["train_dataloader", "val_dataloader"])
    head = runner.model.decode_head
    by_feat, forward = head.loss_by_feat, head.conv_seg.forward
    inside: set[torch.dtype] = set()
    head.loss_by_feat = lambda scores, samples: seen.add(scores.dtype) or by_feat(scores, samples)
    head.conv_seg.forward = lambda x: (inside.add((y := forward(x)).dtype), y)[1] if head.training else forward(x)
    runner.train()
    assert seen == {torch.float32} and inside == {torch.bfloat16}
    assert all(parameter.isfinite().all() for parameter in runner.model.parameters())


def evaluate_under_names(trained, folder, names) -> str:
    """The log of a test whose config calls the classes so."""
    cfg = Config.fromfile(trained / "config.py")
    cfg.test_dataloader.dataset.metainfo = {"classes": names}
    cfg.dump(folder / "config.py")
    call("test.py", folder / "config.py", trained / "run/iter_4.pth", "--work-dir", folder / "test")
    (log,) = (folder / "test").glob("*/*.log")
    return log.read_text()


def test_as_many_classes_under_other_names(trained, tmp_path):
    log = evaluate_under_names(trained, tmp_path, ("backdrop", *OBJECTS))
    assert "1 of 9 classes of test_dataloader are OTHER ones than the checkpoint's: label 0 is 'backdrop' here" in log
    with pytest.raises(ValueError, match="test_dataloader has the checkpoint's classes in another order: label 0 is"):
        evaluate_under_names(trained, tmp_path, CLASSES[::-1])


def test_a_single_image_is_no_size_with_batch_norm_behind_pooling(shapes, tmp_path, monkeypatch):
    pretend(monkeypatch, lambda size: size)
    first, *tries = tried(small_segmentor(shapes, tmp_path / "x"), tmp_path, images=4, free=100)
    assert first["batch_norm"]
    assert [(each["size"], each["fits"]) for each in tries] == [(1, False), (2, True), (4, True)]
    assert "Expected more than 1 value per channel" in tries[0]["error"]
