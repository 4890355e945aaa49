"""From a training checkpoint to pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

import mirl_mm
from mirl_mm.datasets import CorruptImageError
from mirl_mm.inference.output_files import picture_paths
from mirl_mm.registry import INFERENCERS
from tests.training import small_config, train, write_images


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Data, and one epoch of a MIRL with four segments: ``run/epoch_1.pth``."""
    folder = tmp_path_factory.mktemp("reconstruct")
    cfg = small_config(write_images(folder / "data", 8), folder / "run", train_cfg__max_epochs=1, model__num_segments=4)
    cfg.model.backbone.arch = {"depth": 4, "embed_dims": 16, "num_heads": 2}
    cfg.test_dataloader = dict(cfg.train_dataloader)
    cfg.test_dataloader["dataset"] = {"pipeline": TEST_PIPELINE}
    cfg.test_cfg = {"type": "TestLoop"}
    cfg.test_evaluator = {"type": "MaskedLoss"}
    train(cfg)
    cfg.dump(folder / "config.py")
    return folder


TEST_PIPELINE = [
    {"type": "LoadImage"},
    {"type": "ResizeShortSide", "size": 64, "interpolation": "bicubic"},
    {"type": "CenterCrop", "size": (64, 64)},
    {"type": "MaskNoise", "patch_size": 8},
    {"type": "PackInputs"},
]


@pytest.fixture(scope="module")
def infer(trained):
    return mirl_mm.ReconstructInferencer(trained / "run/epoch_1.pth", device="cpu")


def test_a_checkpoint_alone_is_enough(infer, trained):
    result = infer(trained / "data/train", batch_size=3)
    assert [p["img_path"] for p in result["predictions"]] == sorted(map(str, (trained / "data/train").iterdir()))
    pairs = [f"{pair}: {part}" for pair in ("pair 1+4", "pair 2+3") for part in ("main", "residual", "sum")]
    for prediction in result["predictions"]:
        assert list(prediction["images"]) == ["original", "masked", *pairs]
        assert {(i.shape, i.dtype.name) for i in prediction["images"].values()} == {((64, 64, 3), "uint8")}
        assert prediction["mask"].shape == (8, 8)
        assert prediction["mask"].sum() == 48
        assert prediction["losses"].keys() == {"pair_1_4", "pair_2_3"}
        grey = (prediction["images"]["masked"] == 128).all(axis=2)
        assert (grey >= np.kron(prediction["mask"], np.ones((8, 8), bool))).all()
    (picture,) = result["visualization"]
    assert picture.shape[1] > 8 * 128


def test_weights_are_loaded_and_images_preprocessed_as_in_the_config(infer, trained):
    saved = torch.load(trained / "run/epoch_1.pth", weights_only=False)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in infer.model.state_dict().items())
    assert not infer.model.training
    path = trained / "data/train/000.png"
    resized = Image.open(path).resize((71, 64), Image.Resampling.BICUBIC)  # 72 x 80 pixels, short side to 64
    shown = infer(path)["predictions"][0]["images"]["original"]
    expected = np.asarray(resized)[:, 4:68].astype(int)  # torchvision rounds the crop's edge of 3.5 to 4
    assert np.abs(shown - expected).max() <= 3


def test_arrays_batches_and_seeds(infer, trained):
    paths = sorted((trained / "data/train").iterdir())[:3]
    arrays = [np.asarray(Image.open(path)) for path in paths]
    one, three = infer(paths, batch_size=1)["predictions"], infer(arrays, batch_size=3)["predictions"]
    for a, b in zip(one, three, strict=True):
        assert b["img_path"] is None
        assert np.array_equal(a["mask"], b["mask"])
        assert a["losses"] == pytest.approx(b["losses"], rel=1e-5)
        for title in a["images"]:
            assert np.abs(a["images"][title].astype(int) - b["images"][title]).max() <= 1
    assert not np.array_equal(one[0]["mask"], one[1]["mask"])
    assert not np.array_equal(infer(paths[0], seed=1)["predictions"][0]["mask"], one[0]["mask"])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    infer(paths[0])
    assert torch.equal(torch.rand(3), expected)


def test_pictures_are_written(infer, trained, tmp_path):
    result = infer(trained / "data/train", out_dir=tmp_path / "out", rows=3)
    files = sorted((tmp_path / "out").iterdir())
    assert files == picture_paths(tmp_path / "out", "reconstruction", 8, 3)
    assert [path.name for path in files] == [f"reconstruction_{i}.png" for i in (1, 2, 3)]
    for path, picture in zip(files, result["visualization"], strict=True):
        assert np.array_equal(np.asarray(Image.open(path)), picture)
    infer(trained / "data/train/000.png", out_dir=tmp_path / "single")
    assert [path.name for path in (tmp_path / "single").iterdir()] == ["reconstruction.png"]


def test_data_samples(infer, trained):
    (sample,) = infer(trained / "data/train/000.png", return_datasamples=True)["predictions"]
    assert sample.img_path.endswith("000.png")
    assert sample.images["pair 1+4: sum"].shape == (3, 64, 64)
    assert sample.mask.sum() == 48


def test_predictions_at_visible_patches_on_request(infer, trained):
    path = trained / "data/train/000.png"
    pasted, bare = (infer(path, paste_visible=paste)["predictions"][0] for paste in (True, False))
    visible = ~np.kron(pasted["mask"], np.ones((8, 8), bool))
    images = pasted["images"]
    assert np.array_equal(images["pair 1+4: sum"][visible], images["original"][visible])
    assert not np.array_equal(bare["images"]["pair 1+4: sum"][visible], images["original"][visible])


def test_config_and_weights_apart_and_another_mask_ratio(trained):
    infer = INFERENCERS.build(
        {
            "type": "ReconstructInferencer",
            "model": str(trained / "config.py"),
            "weights": str(trained / "run/epoch_1.pth"),
            "mask_ratio": 0.5,
        }
    )
    assert infer(trained / "data/train/000.png")["predictions"][0]["mask"].sum() == 32


def test_a_pipeline_without_noise(trained, infer):
    cfg = infer.cfg.copy()
    cfg.test_dataloader.dataset.pipeline = [step for step in TEST_PIPELINE if step["type"] != "MaskNoise"]
    own = mirl_mm.ReconstructInferencer(cfg, trained / "run/epoch_1.pth")
    masks = [own(trained / "data/train")["predictions"][i]["mask"] for i in (0, 0, 1)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def save(path, state, **meta):
    torch.save({"state_dict": state, "meta": meta}, path)
    return path


def test_refusals(trained, tmp_path):
    build = mirl_mm.ReconstructInferencer
    saved = torch.load(trained / "run/epoch_1.pth", weights_only=False)
    state, text = saved["state_dict"], saved["meta"]["cfg"]
    backbone = {name: value for name, value in state.items() if name.startswith("backbone.")}
    for path in (
        save(tmp_path / "backbone.pth", backbone, cfg=text),
        save(tmp_path / "classifier.pth", {**backbone, "head.weight": torch.ones(2)}),
    ):
        with pytest.raises(
            ValueError, match=rf"{path.name}' has no decoder .*backbone.*Give the pre-training checkpoint"
        ):
            build(path)
    with pytest.raises(ValueError, match=r"bare\.pth' holds no config: give the config file"):
        build(save(tmp_path / "bare.pth", state))
    smaller = text.replace("decoder_embed_dims=16", "decoder_embed_dims=8")
    with pytest.raises(ValueError, match=r"does not fit MIRL: .*of another shape: .*written for another model"):
        build(save(tmp_path / "other.pth", state, cfg=smaller))
    with pytest.raises(ValueError, match="the config's model is DeepViT, which reconstructs nothing"):
        build(save(tmp_path / "kind.pth", state, cfg="model = dict(type='DeepViT')"))
    with pytest.raises(ValueError, match="a config alone has no weights"):
        build(trained / "config.py")
    with pytest.raises(FileNotFoundError, match=r"no config or checkpoint .*nowhere"):
        build(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="two checkpoints"):
        build(trained / "run/epoch_1.pth", trained / "run/epoch_1.pth")
    with pytest.raises(ValueError, match="mask_ratio must lie between 0 and 1"):
        build(trained / "run/epoch_1.pth", mask_ratio=1.0)


def test_bad_calls(infer, trained, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(CorruptImageError, match=r"text\.jpg"):
        infer(tmp_path / "text.jpg")
    with pytest.raises(ValueError, match="rows must be at least 1, got 0"):
        infer(trained / "data/train/000.png", rows=0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        infer(trained / "data/train/000.png", nonsense=1)


@pytest.mark.gpu
def test_a_gpu_gives_the_same(trained, gpu):
    here, there = (
        mirl_mm.ReconstructInferencer(trained / "run/epoch_1.pth", device=device)(trained / "data/train")["predictions"]
        for device in ("cpu", gpu.type)
    )
    for a, b in zip(here, there, strict=True):
        assert np.array_equal(a["mask"], b["mask"])
        assert a["losses"] == pytest.approx(b["losses"], rel=1e-4)
        for title in a["images"]:
            assert np.abs(a["images"][title].astype(int) - b["images"][title]).max() <= 1  # grey levels, rounded
