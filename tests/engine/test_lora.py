"""A classifier's adapters train, resume to the bit, and are merged in what is exported."""

import pytest
import torch

from mirl_mm.checkpoint.load_report import ADAPTERS
from mirl_mm.engine.freezing import settle_freezing
from mirl_mm.engine.launch import build_runner
from mirl_mm.engine.summary import training_summary
from mirl_mm.export import export_weights, open_source
from mirl_mm.registry import MODELS
from tests.training import small_classifier, train, weights, write_class_folders

pytest.importorskip("peft", exc_type=ImportError)


def test_classifier(tmp_path):
    data = write_class_folders(tmp_path / "images", 8, 4)

    def config(name, **options):
        lora = {"r": 2, "lora_alpha": 4, "lora_dropout": 0.1}
        return small_classifier(data, tmp_path / name, model__backbone__lora=lora, **options)

    train(config("whole"))
    resumed = config("resumed")
    resumed.load_from, resumed.resume = str(tmp_path / "whole/epoch_1.pth"), True
    train(resumed)
    start, expected, found = weights(tmp_path / "whole", 1), weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    unmoved = {name for name in expected if torch.equal(expected[name], start[name])}
    backbone = {name for name in expected if name.startswith("backbone.")}
    assert unmoved == {name for name in backbone if not name.endswith(ADAPTERS)} != backbone
    optimizer = torch.load(tmp_path / "whole/epoch_2.pth", weights_only=False)["optimizer"]
    assert len(optimizer["state"]) == len(expected.keys() - unmoved)

    source, images = open_source(tmp_path / "whole/epoch_2.pth"), torch.randn(2, 3, 64, 64)
    settings = config("again").model
    adapted = MODELS.build(settings).eval()
    adapted.load_state_dict(expected)
    settings.backbone.lora = None
    for layout in ("timm", "mirl"):
        written = export_weights(source, tmp_path / f"{layout}.safetensors", layout)
        settings.init_cfg = {"type": "Pretrained", "checkpoint": str(written.path)}
        plain = MODELS.build(settings).eval()
        plain.init_weights()
        torch.testing.assert_close(plain(images), adapted(images), rtol=1e-5, atol=1e-5)
    everything = export_weights(source, tmp_path / "all.safetensors", "mirl", part="all")
    assert everything.tensors == len(plain.state_dict())


def test_the_share_that_is_trained_is_said(tmp_path):
    data = write_class_folders(tmp_path / "images", 8, 4)
    cfg = small_classifier(data, tmp_path / "run", model__backbone__lora={"r": 2})
    runner = build_runner(cfg, ["train_dataloader"])
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    total = sum(parameter.numel() for parameter in runner.model.parameters())
    trained = sum(parameter.numel() for parameter in runner.model.parameters() if parameter.requires_grad)
    assert f"{trained / 1e6:.3g} M of them trained ({trained / total:.2%})" in training_summary(runner)


def test_adapters_of_a_frozen_backbone(tmp_path):
    cfg = small_classifier(tmp_path, tmp_path / "run", model__backbone__lora={"r": 2})
    cfg.model.freeze_backbone = True
    with pytest.raises(ValueError, match=r"not even the adapters that model.backbone.lora asks for: set one of"):
        settle_freezing(cfg)
