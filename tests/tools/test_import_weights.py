"""tools/model_converters/import_weights.py from the command line."""

import pickle
import runpy

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from mirl_mm import MIRL
from mirl_mm.checkpoint import read_any
from mirl_mm.models.backbones.head_count import stated_heads
from tests.golden import GOLDEN, Golden
from tests.training import ROOT

TOOL = ROOT / "tools/model_converters/import_weights.py"
PADDLE = GOLDEN / "mirl_6seg_w24.pd"


@pytest.fixture
def convert(monkeypatch):
    def convert(*arguments):
        monkeypatch.setattr("sys.argv", ["import_weights.py", *map(str, arguments)])
        runpy.run_path(str(TOOL), run_name="__main__")

    return convert


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_the_authors_file_gives_the_golden_predictions(convert, tmp_path, capsys, ending):
    target = tmp_path / f"ours.{ending}"
    convert(PADDLE, target, "--num-heads", 3)
    printed = capsys.readouterr().out
    assert "the authors' MIRL pre-training (paddle file), epoch 799" in printed
    assert "476 tensors: decoders.* (300), backbone.* (150), embeds.* (14), norms.* (12)" in printed
    assert "attention heads: 3 (as given)" in printed
    weights, golden = read_any(target), Golden("mirl_6seg_w24")
    assert (weights.layout, weights.progress, stated_heads(weights)) == ("ours", "epoch 799", 3)
    backbone = {"type": "DeepViT", "img_size": (64, 64), "arch": {"depth": 12, "embed_dims": 24, "num_heads": 3}}
    model = MIRL(backbone, decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(weights.state)
    groups, _ = model(golden.images, mode="tensor", noise=golden.noise)
    for g, (main, residual) in enumerate(groups):
        torch.testing.assert_close(main, golden.output(f"pred{g}"), rtol=0, atol=1e-5)
        torch.testing.assert_close(residual, golden.output(f"pred{5 - g}"), rtol=0, atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_what_was_assumed_and_left_out_is_said(convert, tmp_path, capsys):
    model = timm.create_model("vit_tiny_patch16_224", depth=1, img_size=32)
    torch.save({"state_dict": model.state_dict(), "optimizer": {}, "epoch": 4}, tmp_path / "timm.pth")
    convert(tmp_path / "timm.pth", tmp_path / "ours.pth")
    printed = capsys.readouterr().out
    assert "attention heads: 3 (assumed, as usual for width 192; the file does not tell" in printed
    assert "left out: optimizer" in printed
    assert torch.load(tmp_path / "ours.pth", weights_only=True)["meta"]["num_heads"] == "3"


def test_detectron2s_file(convert, tmp_path, capsys):
    state = {f"backbone.{name}": np.array(array) for name, array in Golden("vitdet_square_w48").param.items()}
    content = {"model": {**state, "roi_heads.mask_head.predictor.bias": np.ones(2)}, "__author__": "x"}
    (tmp_path / "zoo.pkl").write_bytes(pickle.dumps(content))
    convert(tmp_path / "zoo.pkl", tmp_path / "ours.pth", "--num-heads", 3)
    printed = capsys.readouterr().out
    assert "zoo.pkl: detectron2's ViTDet (pickle file)" in printed
    assert "left out: __author__, roi_heads.*" in printed
    ours, theirs = read_any(tmp_path / "ours.pth"), read_any(tmp_path / "zoo.pkl")
    assert stated_heads(ours) == 3 and ours.state.keys() == theirs.state.keys()
    assert all(torch.equal(tensor, theirs.state[name]) for name, tensor in ours.state.items())


def test_bad_files_are_one_line(convert, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "image.pth", format="png")
    (tmp_path / "text.pd").write_text("weights, said the file")
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.pd").write_bytes(PADDLE.read_bytes()[:5000])
    target = tmp_path / "out" / "ours.pth"
    cases = {
        "image.pth": "is no weight file of PyTorch, safetensors, PaddlePaddle or detectron2",
        "text.pd": "is no weight file",
        "empty.safetensors": r"\(0 bytes\) is no weight file",
        "folder": "is a folder, not a file",
        "missing.pth": "does not exist",
        "cut.pd": "can't be read as a pickle of weights",
    }
    for name, message in cases.items():
        with pytest.raises(SystemExit, match=rf"^error: .*{name}'.*{message}[^\n]*$"):
            convert(tmp_path / name, target)
    with pytest.raises(SystemExit, match=r"^error: the output must end in \.safetensors or \.pth"):
        convert(PADDLE, tmp_path / "ours.txt")
    with pytest.raises(SystemExit, match=r"^error: the file does not tell its number of .*give --num-heads"):
        convert(PADDLE, target)
    with pytest.raises(SystemExit, match=r"^error: --num-heads 5 does not divide the width, 24"):
        convert(PADDLE, target, "--num-heads", 5)
    assert not target.parent.exists()
