"""``load_from`` and ``init_cfg`` in a run: weights of any origin, and what a resumed run does not read."""

import pytest
import torch
from mmengine.config import Config

from mirl_mm import DeepViT, ImageClassifier
from mirl_mm.checkpoint import Weights, load_into
from mirl_mm.engine.launch import drop_retired_hooks
from mirl_mm.engine.runner import exactly
from tests.training import small_config, train, weights, write_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("load_from") / "data", 8)


def short(data, work_dir, **options):
    """A run whose weights stay as they were loaded."""
    return small_config(data, work_dir, train_cfg__max_epochs=1, optim_wrapper__optimizer__lr=0.0, **options)


def foreign(path, **arch):
    """A bare ViT in MAE's or timm's layout."""
    vit = DeepViT({"depth": 2, "embed_dims": 16, "num_heads": 2} | arch, img_size=(64, 64), patch_size=8)
    torch.save({"model": vit.state_dict()}, path)
    return vit.state_dict()


def test_load_from_a_foreign_file(data, tmp_path):
    state = foreign(tmp_path / "vit.pth")
    cfg = short(data, tmp_path / "run", load_from=str(tmp_path / "vit.pth"))
    train(cfg)
    loaded = weights(tmp_path / "run", 1)
    assert all(torch.equal(loaded[f"backbone.{name}"], tensor) for name, tensor in state.items())
    (log,) = (tmp_path / "run").glob("*/*.log")
    text = log.read_text()
    assert "a ViT without head (torch file)" in text
    assert "stay as initialised: decoders.* (" in text


def test_load_from_refuses_another_backbone(data, tmp_path):
    foreign(tmp_path / "vit.pth", embed_dims=32)
    with pytest.raises(ValueError, match=r"MIRL from .*vit\.pth: the backbone's shapes differ \(backbone\.cls_token"):
        train(short(data, tmp_path / "run", load_from=str(tmp_path / "vit.pth")))


def test_a_resumed_run_does_not_need_the_pretrained_file(data, tmp_path):
    state = foreign(tmp_path / "vit.pth")
    cfg = short(data, tmp_path / "run")
    cfg.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": str(tmp_path / "vit.pth")}
    train(cfg)
    (tmp_path / "vit.pth").unlink()
    again = short(data, tmp_path / "run")
    again.train_cfg.max_epochs = 2
    again.model.backbone.init_cfg = cfg.model.backbone.init_cfg
    again.resume, again.load_from = True, str(tmp_path / "run/epoch_1.pth")
    train(again)
    assert torch.equal(weights(tmp_path / "run", 2)["backbone.cls_token"], state["cls_token"])
    again.resume, again.load_from = False, None
    with pytest.raises(FileNotFoundError, match=r"vit\.pth"):
        train(again)


def test_other_classes_at_a_test():
    vit = DeepViT({"depth": 1, "embed_dims": 16, "num_heads": 2}, img_size=(32, 32), final_norm=False)
    five, seven = (ImageClassifier(vit, {"type": "LinearClsHead", "num_classes": n}) for n in (5, 7))
    message = (
        r"can't test this model from a\.pth: .*Its head has 5 classes, the model's 7: set model\.head\.num_classes=5"
    )
    with pytest.raises(ValueError, match=message):
        load_into(seven, Weights(five.state_dict()), exactly(seven, "can't test this model from a.pth"))


def test_a_hook_of_earlier_versions_is_left_out():
    cfg = Config(
        {"default_hooks": {"load_report": {"type": "mirl_mm.LoadReportHook"}, "logger": {"type": "LoggerHook"}}}
    )
    drop_retired_hooks(cfg)
    assert list(cfg.default_hooks) == ["logger"]
