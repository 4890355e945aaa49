"""From a segmentor's checkpoint to masks and pictures."""

import json
import os

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

import mirl_mm
from mirl_mm.datasets.seg_maps import read_seg_map
from mirl_mm.errors import CorruptImageError
from mirl_mm.outputs import OutputError
from mirl_mm.registry import MODELS
from mirl_mm.shapes import CLASSES, generate
from mirl_mm.visualization.palette import class_colour
from tests.training import run_here

pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)

pytestmark = pytest.mark.seg

NAMES = ("background", *CLASSES)
PALETTE = [class_colour(label) for label in range(len(NAMES))]
META_KEYS = ("img_path", "ori_shape", "img_shape", "pad_shape", "scale_factor", "flip", "flip_direction")
PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "scale": (96, 32), "keep_ratio": True},
    {"type": "LoadAnnotations", "reduce_zero_label": True},
    {"type": "PackSegInputs", "meta_keys": META_KEYS},
]
CONFIG = {
    "default_scope": "mmseg",
    "model": {
        "type": "mirl_mm.EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": [123.7, 116.3, 103.5],
            "std": [58.4, 57.1, 57.4],
            "bgr_to_rgb": True,
            "size": (32, 32),
        },
        "backbone": {
            "type": "mirl_mm.DeepViT",
            "arch": {"depth": 2, "embed_dims": 16, "num_heads": 2},
            "img_size": (32, 32),
            "patch_size": 8,
        },
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 16,
            "in_index": 0,
            "channels": 16,
            "num_convs": 0,
            "concat_input": False,
            "num_classes": len(NAMES),
            "norm_cfg": {"type": "BN"},
            "align_corners": False,
        },
        "test_cfg": {"mode": "whole"},
    },
    "test_dataloader": {"dataset": {"type": "ADE20KDataset", "pipeline": PIPELINE, "reduce_zero_label": True}},
    "tta_model": {"type": "SegTTAModel"},
    "tta_pipeline": [
        {"type": "LoadImageFromFile"},
        {
            "type": "TestTimeAug",
            "transforms": [
                [{"type": "Resize", "scale": (96, 32), "keep_ratio": True}],
                [{"type": "RandomFlip", "prob": 0.0}, {"type": "RandomFlip", "prob": 1.0}],
                [{"type": "LoadAnnotations"}],
                [{"type": "PackSegInputs", "meta_keys": META_KEYS}],
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of (45, 70) with masks, and a segmentor's checkpoint, ``last.pth``, of random weights."""
    import mirl_mm.segmentation.mmseg_parts  # noqa: F401

    folder = tmp_path_factory.mktemp("segment")
    generate(folder / "data", num_train=0, num_val=3, size=(45, 70), layouts=("ade",), workers=1)
    save(folder / "last.pth", CONFIG)
    return folder


def save(path, config, **meta):
    torch.manual_seed(0)
    cfg = Config(config)
    with mirl_mm.SegmentInferencer.within_scope(cfg):
        model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=3.0)
    meta = {"cfg": cfg.pretty_text, "dataset_meta": {"classes": NAMES, "palette": PALETTE, "reduce_zero_label": True}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return path


@pytest.fixture(scope="module")
def infer(folder):
    return mirl_mm.SegmentInferencer(folder / "last.pth", device="cpu")


def images_of(folder):
    return sorted((folder / "data/ade/images/validation").iterdir())


def own_mask(infer, path):
    """What mmseg's ``test_step`` predicts."""
    data = infer.collate_fn([infer.pipeline(str(path))])
    with torch.no_grad():
        return infer.model.test_step(data)[0].pred_sem_seg.data[0].numpy()


def test_masks_are_the_models_in_the_images_own_pixels(infer, folder):
    path = images_of(folder)[0]
    (found,) = infer(path)["predictions"]
    assert found["img_path"] == str(path)
    assert found["mask"].shape == (45, 70) and found["mask"].dtype == np.uint8
    assert np.array_equal(found["mask"], own_mask(infer, path)) and len(found["labels"]) > 2
    areas = {label: (found["mask"] == label).mean() for label in np.unique(found["mask"])}
    assert dict(zip(found["labels"].tolist(), found["shares"], strict=True)) == pytest.approx(areas)
    assert list(found["shares"]) == sorted(found["shares"], reverse=True)
    assert found["names"] == [NAMES[label] for label in found["labels"]]
    assert found["colours"].tolist() == [list(PALETTE[label]) for label in found["labels"]]


@pytest.mark.parametrize("size", [(32, 32), (45, 31), (17, 60), (96, 200)])
def test_any_size_and_batches_of_several(infer, size):
    arrays = [np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8) for i in range(2)]
    arrays.append(np.zeros((40, 40, 3), dtype=np.uint8))
    together = infer(arrays, batch_size=3)["predictions"]
    assert [found["mask"].shape for found in together] == [size, size, (40, 40)]
    for array, found in zip(arrays, together, strict=True):
        assert found["img_path"] is None
        assert np.array_equal(found["mask"], infer(array)["predictions"][0]["mask"])


def test_an_array_a_folder_and_a_glob_give_the_same(infer, folder):
    paths = images_of(folder)
    by_folder = infer(paths[0].parent, batch_size=2)["predictions"]
    by_glob = infer(str(paths[0].parent / "*.jpg"))["predictions"]
    by_array = infer([np.asarray(Image.open(path)) for path in paths])["predictions"]
    assert [p["img_path"] for p in by_folder] == [p["img_path"] for p in by_glob] == list(map(str, paths))
    for a, b, c in zip(by_folder, by_glob, by_array, strict=True):
        assert np.array_equal(a["mask"], b["mask"])
        assert (b["mask"] == c["mask"]).mean() > 0.95  # JPEG decoders differ by a grey level


def test_one_tile_is_whole_inference(folder, tmp_path):
    config = {**CONFIG, "test_dataloader": {"dataset": {"pipeline": [PIPELINE[0], PIPELINE[3]]}}}
    infer = mirl_mm.SegmentInferencer(save(tmp_path / "unresized.pth", config), device="cpu")
    path = images_of(folder)[1]
    whole = infer(path)["predictions"][0]["mask"]
    for tile in ((45, 70), (64, 128)):
        assert np.array_equal(infer(path, tile=tile)["predictions"][0]["mask"], whole)
    window = {"mode": "slide", "crop_size": (45, 70), "stride": (30, 50)}
    config = {**config, "model": {**CONFIG["model"], "test_cfg": window}}
    slide = mirl_mm.SegmentInferencer(save(tmp_path / "slide.pth", config), device="cpu")
    assert np.array_equal(slide(path)["predictions"][0]["mask"], whole)


def test_tiles_cover_an_image_and_are_the_windows_there(infer, folder):
    big = np.tile(np.asarray(Image.open(images_of(folder)[0])), (4, 3, 1))
    (found,) = infer(big, tile=(64, 64), overlap=16, batch_size=3)["predictions"]
    assert found["mask"].shape == big.shape[:2]
    (corner,) = infer(np.ascontiguousarray(big[:64, :64]), tile=(64, 64))["predictions"]
    assert np.array_equal(found["mask"][:36, :36], corner["mask"][:36, :36])  # one tile's alone
    (alone,) = infer(big, tile=(64, 64), overlap=16, batch_size=1)["predictions"]
    assert np.array_equal(found["mask"], alone["mask"])


def test_masks_are_written_with_the_values_of_the_datas_masks(infer, folder, tmp_path):
    result = infer(images_of(folder), mask_dir=tmp_path / "masks", plain=True)
    arrays = infer(images_of(folder))["predictions"]
    for path, plain, found in zip(
        images_of(folder), json.loads(json.dumps(result["predictions"])), arrays, strict=True
    ):
        assert plain["mask_path"] == str(tmp_path / "masks" / f"{path.stem}.png") and "mask" not in plain
        assert np.array_equal(read_seg_map(plain["mask_path"]), found["mask"] + 1)
        shown = np.asarray(Image.open(plain["mask_path"]).convert("RGB"))
        assert np.array_equal(shown, np.array(PALETTE, dtype=np.uint8)[found["mask"]])


def test_ground_truth_is_compared(infer, folder, tmp_path):
    paths = images_of(folder)
    annotations = folder / "data/ade/annotations/validation"
    found = infer(paths, truth=annotations, out_dir=tmp_path)["predictions"]
    for path, item in zip(paths, found, strict=True):
        truth = read_seg_map(str(annotations / f"{path.stem}.png")).astype(int) - 1
        for label, value in item["iou"].items():
            a, b = truth == label, item["mask"] == label
            assert value == pytest.approx((a & b).sum() / (a | b).sum())
        assert set(item["iou"]) == set(np.unique(truth)) | set(np.unique(item["mask"]))
        assert item["mean_iou"] == pytest.approx(np.mean(list(item["iou"].values())))
    perfect = infer(paths[0], truth=[found[0]["mask"]])["predictions"][0]
    assert perfect["mean_iou"] == 1
    unlabelled = np.full((45, 70), 255)
    assert infer(paths[0], truth=[unlabelled])["predictions"][0]["mean_iou"] is None


def test_pictures_and_data_samples(infer, folder, tmp_path):
    path = images_of(folder)[0]
    result = infer(path, out_dir=tmp_path / "out", opacity=1.0)
    (picture,) = result["visualization"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / f"{path.stem}.png")), picture)
    pixels = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert {PALETTE[label] for label in result["predictions"][0]["labels"]} <= pixels
    assert infer(path, out_dir=tmp_path / "out", keep_pictures=False)["visualization"] == []
    assert len(infer(path, draw=True)["visualization"]) == 1 and infer(path)["visualization"] == []
    (sample,) = infer(path, return_datasamples=True)["predictions"]
    assert np.array_equal(sample.pred_sem_seg.data[0].numpy(), result["predictions"][0]["mask"])


def test_test_time_augmentation_merges_both_versions(folder):
    infer = mirl_mm.SegmentInferencer(folder / "last.pth", device="cpu", tta=True)
    image = np.asarray(Image.open(images_of(folder)[0]))
    merged = infer(image)["predictions"][0]["mask"]
    mirrored = infer(np.ascontiguousarray(image[:, ::-1]))["predictions"][0]["mask"]
    assert (merged[:, ::-1] == mirrored).mean() > 0.99  # which one version alone is not
    plain = mirl_mm.SegmentInferencer(folder / "last.pth", device="cpu")
    one, other = (plain(np.ascontiguousarray(x))["predictions"][0]["mask"] for x in (image, image[:, ::-1]))
    assert (one[:, ::-1] == other).mean() < 0.95
    with pytest.raises(ValueError, match="tiles and test-time augmentation don't go together"):
        infer(image, tile=(32, 32))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"opacity": 2}, r"opacity must lie in 0\.\.1, got 2"),
        ({"tile": (0, 4)}, r"tile must be \(H, W\) in pixels"),
        ({"tile": (32, 32), "overlap": 20}, r"overlap must lie in 0\.\.16"),
        ({"overlap": 8}, r"overlap is that of tiles: give tile=\(H, W\), too"),
    ],
)
def test_bad_settings_come_before_the_images(infer, wrong, message):
    with pytest.raises(ValueError, match=message):
        infer("no such file.jpg", **wrong)


def test_bad_ground_truth_is_named(infer, folder, tmp_path):
    path = images_of(folder)[0]
    with pytest.raises(FileNotFoundError, match=rf"no ground truth '.*{path.stem}\.png' for the image '.*{path.name}'"):
        infer(path, truth=tmp_path)
    with pytest.raises(ValueError, match="2 true masks for 1 image"):
        infer(path, truth=["a.png", "b.png"])
    Image.fromarray(np.full((45, 70), 77, np.uint8)).save(tmp_path / f"{path.stem}.png")
    with pytest.raises(ValueError, match=rf"mask '.*{path.stem}\.png' has the value 77"):
        infer(path, truth=tmp_path)
    Image.fromarray(np.ones((45, 71), np.uint8)).save(tmp_path / f"{path.stem}.png")
    with pytest.raises(ValueError, match=rf"{path.stem}\.png' has 45 x 71 pixels .*its image .* 45 x 70"):
        infer(path, truth=tmp_path)
    with pytest.raises(ValueError, match="a folder of ground truth needs images from files"):
        infer(np.zeros((40, 40, 3), np.uint8), truth=tmp_path)


def test_what_is_no_segmentor_and_other_refusals(folder, tmp_path):
    checkpoint = torch.load(folder / "last.pth", weights_only=False)
    with pytest.raises(ValueError, match="2 class names for a model of 9 classes"):
        mirl_mm.SegmentInferencer(folder / "last.pth", device="cpu", classes=["a", "b"])
    with pytest.raises(ValueError, match="1 colours for a model of 9 classes"):
        mirl_mm.SegmentInferencer(folder / "last.pth", device="cpu", palette=[(1, 2, 3)])
    checkpoint["meta"]["cfg"] = "default_scope = 'mirl_mm'\nmodel = dict(type='ImageClassifier')"
    torch.save(checkpoint, tmp_path / "classifier.pth")
    with pytest.raises(ValueError, match="model is ImageClassifier, which segments nothing"):
        mirl_mm.SegmentInferencer(tmp_path / "classifier.pth", device="cpu")


def test_a_corrupt_image_is_named(infer, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(CorruptImageError, match=r"cannot read image '.*broken\.jpg': (?!AssertionError)"):
        infer(tmp_path / "broken.jpg", tile=(64, 64))


def test_the_tool(folder, tmp_path, monkeypatch, capsys):
    data = folder / "data/ade"
    run_here(
        monkeypatch,
        *("tools/visualization/infer.py", folder / "last.pth", data / "images/validation", "--device", "cpu"),
        *("--out-dir", tmp_path / "out", "--masks", tmp_path / "masks", "--json", tmp_path / "found.json"),
        *("--truth", data / "annotations/validation", "--tile", "32", "48", "--overlap", "8", "--batch-size", "2"),
    )
    found = json.loads((tmp_path / "found.json").read_text())
    assert [item["img_path"] for item in found] == list(map(str, images_of(folder)))
    names = [f"{path.stem}.png" for path in images_of(folder)]
    for place in ("out", "masks"):
        assert sorted(path.name for path in (tmp_path / place).iterdir()) == names
    shown = capsys.readouterr().out
    assert f"mean IoU {found[0]['mean_iou']:.2f}" in shown and "the 9 classes have the values 1 to 9" in shown


@pytest.mark.gpu
@pytest.mark.parametrize("size", [(45, 70), (17, 60), (96, 200)])
def test_a_gpu_gives_the_same(folder, size, gpu):
    """But for pixels between two classes."""
    images = [np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8) for i in range(3)]
    here, there = (
        mirl_mm.SegmentInferencer(folder / "last.pth", device=device)(images, batch_size=2)["predictions"]
        for device in ("cpu", gpu.type)
    )
    for a, b in zip(here, there, strict=True):
        assert a["mask"].shape == b["mask"].shape == size
        assert (a["mask"] == b["mask"]).mean() > 0.999


@pytest.mark.parametrize("option", ["out_dir", "mask_dir"])
def test_photos_are_not_replaced(infer, tmp_path, option):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (70, 45)).save(photos / "a.png")
    before = (photos / "a.png").read_bytes()
    with pytest.raises(OutputError, match=r"is the folder of the input"):
        infer(photos, **{option: photos})
    for _ in range(2):
        infer(photos, **{option: tmp_path / "out"})
    Image.new("RGB", (70, 45)).save(tmp_path / "a.png")
    with pytest.raises(OutputError, match="is there and was made of something else"):
        infer(tmp_path / "a.png", **{option: tmp_path / "out"})
    with pytest.raises(OutputError, match="for pictures and for masks"):
        infer(photos, out_dir=tmp_path / "both", mask_dir=tmp_path / "both")
    assert (photos / "a.png").read_bytes() == before and os.listdir(photos) == ["a.png"]


def test_an_image_that_does_not_pass_the_pipeline(infer, folder, tmp_path, monkeypatch):
    """The others' results are kept, and the tool says what is missing."""
    Image.new("RGB", (3000, 1)).save(tmp_path / "line.png")
    good = str(images_of(folder)[0])
    result = infer([str(tmp_path / "line.png"), good], on_error="skip", mask_dir=tmp_path / "masks")
    assert [each["img_path"] for each in result["predictions"]][-1] == good
    monkeypatch.setattr(infer, "pipeline", None)
    with pytest.raises(CorruptImageError, match=r"image '.*' does not pass the test pipeline: TypeError"):
        infer(good)
