"""Which weights of a checkpoint are exported, and checkpoints that can't be."""

import pytest
import torch

from mirl_mm.export import export_weights, open_source
from tests.export.checkpoints import classifier, pretrainer, write
from tests.training import small_classifier, train, write_class_folders


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    """A checkpoint of a fine-tuning that kept an average, as the recipe does."""
    folder = tmp_path_factory.mktemp("averaged")
    train(small_classifier(write_class_folders(folder / "data", 8, 2), folder / "run"))
    return folder / "run/epoch_2.pth"


def test_average_and_trained_weights(averaged, tmp_path):
    saved = torch.load(averaged, weights_only=False)
    average = saved["state_dict"]
    trained = {name.removeprefix("module."): value for name, value in saved["ema_state_dict"].items()}
    for weights, expected in (("model", average), ("ema", average), ("raw", trained)):
        written = export_weights(open_source(averaged, weights), tmp_path / f"{weights}.pth", "mirl")
        state = torch.load(written.path, weights_only=True)["state_dict"]
        assert all(torch.equal(state[name], expected[name]) for name in average), weights
        assert written.metadata["weights"] == {
            "raw": "the weights as trained, not their average",
        }.get(weights, "the moving average (EMA) of the weights")
    assert not torch.equal(average["head.fc.weight"], trained["head.fc.weight"])


def test_no_average(tmp_path):
    write(tmp_path / "epoch_3.pth", classifier())
    with pytest.raises(ValueError, match=r"epoch_3.pth' has no average: EMAHook was not among"):
        open_source(tmp_path / "epoch_3.pth", "ema")
    assert open_source(tmp_path / "epoch_3.pth", "raw").weights == "the trained weights (there is no average)"
    with pytest.raises(ValueError, match="weights must be one of model, ema, raw, got 'best'"):
        open_source(tmp_path / "epoch_3.pth", "best")


def test_without_config(tmp_path):
    write(tmp_path / "bare.pth", pretrainer(), with_config=False)
    with pytest.raises(ValueError, match=r"bare.pth' holds no config: give the config file"):
        open_source(tmp_path / "bare.pth")
    with pytest.raises(FileNotFoundError, match="no config file"):
        open_source(tmp_path / "bare.pth", config=tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("a = 1")
    with pytest.raises(ValueError, match="has no model"):
        open_source(tmp_path / "bare.pth", config=tmp_path / "empty.py")
    (tmp_path / "config.py").write_text(f"model = {pretrainer()!r}")
    assert open_source(tmp_path / "bare.pth", config=tmp_path / "config.py").backbone().num_heads == 3


def test_config_of_another_model(tmp_path):
    write(tmp_path / "epoch_3.pth", pretrainer())
    other = pretrainer()
    other["backbone"] = {**other["backbone"], "arch": {"depth": 3, "embed_dims": 24, "num_heads": 3}}
    (tmp_path / "other.py").write_text(f"model = {other!r}")
    source = open_source(tmp_path / "epoch_3.pth", config=tmp_path / "other.py")
    with pytest.raises(ValueError, match=r"does not fit its config's DeepViT: .*12 missing: blocks\.2"):
        source.backbone()


def test_positions_for_another_size(tmp_path):
    model = write(tmp_path / "epoch_3.pth", pretrainer())
    backbone = open_source(tmp_path / "epoch_3.pth").backbone(img_size=(64, 48))
    assert backbone.grid == (8, 6)
    assert torch.equal(backbone.pos_embed, model.backbone.positions((8, 6)))
