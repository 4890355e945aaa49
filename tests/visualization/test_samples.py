"""What pipelines give, drawn."""

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, PixelData
from PIL import Image

from mirl_mm.structures import DataSample
from mirl_mm.visualization.contact_sheet import Entry, contact_sheet
from mirl_mm.visualization.palette import class_colour
from mirl_mm.visualization.samples import Looks, draw_sample, legend_of, to_pixels
from tests.training import run_here, write_images

IMAGE = torch.arange(3 * 32 * 48, dtype=torch.int64).remainder(251).to(torch.uint8).view(3, 32, 48)


def test_pixels_in_either_order_and_as_floats():
    pixels = IMAGE.permute(1, 2, 0).numpy()
    assert np.array_equal(to_pixels(IMAGE), pixels)
    assert np.array_equal(to_pixels(IMAGE, bgr=True), pixels[..., ::-1])
    assert np.array_equal(to_pixels(IMAGE.float() + 0.3), pixels)
    with pytest.raises(ValueError, match="no grey levels: leave normalisation to the model's data_preprocessor"):
        to_pixels(IMAGE.float() / 127 - 1)


def test_the_mask_is_the_models():
    noise = torch.tensor([0.5, 0.1, 0.9, 0.2, 0.8, 0.7])  # (2, 3) patches; the smallest stay visible
    picture = draw_sample({"inputs": IMAGE, "noise": noise}, Looks(mask_ratio=0.5))
    masked = picture.image[:, -48:]
    for i, visible in enumerate([True, True, False, True, False, False]):
        y, x = i // 3 * 16, i % 3 * 16
        patch = masked[y : y + 16, x : x + 16]
        assert (np.array_equal(patch, to_pixels(IMAGE)[y : y + 16, x : x + 16])) == visible
        assert (patch == 128).all() != visible
    with pytest.raises(ValueError, match="6 numbers for 4 x 6 patches of 8 x 8"):
        draw_sample({"inputs": IMAGE, "noise": noise}, Looks(patch_size=(8, 8)))


def test_labels_regions_and_nothing():
    sample = {"inputs": IMAGE, "data_samples": DataSample(metainfo={"gt_label": 1})}
    assert draw_sample(sample, Looks(("cat", "dog"))).caption == "dog, 32 × 48"
    assert draw_sample(sample, Looks()).caption == "class 1, 32 × 48"
    labels = torch.full((1, 32, 48), 255)
    labels[:, :, 24:] = 1
    info = BaseDataElement(gt_sem_seg=PixelData(sem_seg=labels))
    picture = draw_sample({"inputs": IMAGE, "data_samples": info}, Looks(("cat", "dog")))
    pixels = to_pixels(IMAGE)
    assert picture.caption == "dog" and picture.labels == [1]
    assert np.array_equal(picture.image[:, :23], pixels[:, :23])
    expected = (pixels[16, 36] * 0.5 + np.array(class_colour(1)) * 0.5).astype(np.uint8)
    assert np.array_equal(picture.image[16, 36], expected)
    with pytest.raises(ValueError, match="gives img, and no inputs: it must end with PackInputs"):
        draw_sample({"img": IMAGE}, Looks())


def test_a_legend_names_the_colours_below_all_images():
    looks = Looks(tuple("abcdefgh"))
    legend = legend_of([3, 1, 3, 6], looks)
    assert legend == [(list(class_colour(label)), looks.name(label)) for label in (1, 3, 6)]
    given = Looks(("a", "b"), palette=((9, 8, 7), (6, 5, 4)))
    assert legend_of([1], given) == [([6, 5, 4], "b")] and legend_of([], looks) == []
    entries = [Entry(np.zeros((20, 30, 3), dtype=np.uint8), "one", [])]
    plain, with_legend = (contact_sheet(entries, cell=60, legend=each) for each in ((), legend))
    assert np.array_equal(with_legend[: len(plain) - 14], plain[:-14])
    for label in (1, 3, 6):
        assert (with_legend[len(plain) - 14 :] == class_colour(label)).all(axis=2).sum() > 100


def test_the_tool(tmp_path, monkeypatch):
    tool = "tools/visualization/browse_dataset.py"
    root = write_images(tmp_path / "data", 6)
    config = "configs/pretrain/mirl_tiny24_64px.py"
    options = ("--data-root", root, "--num-images", "3", "--repeats", "2", "--per-sheet", "4")
    run_here(monkeypatch, tool, config, *options, "--out-dir", tmp_path / "out", "--side", "100")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train_1.png", "train_2.png"]
    sheet = np.asarray(Image.open(tmp_path / "out/train_1.png"))
    left, right = sheet[70:100, 20:60], sheet[70:100, 134:174]  # two draws of one image
    assert not np.array_equal(left, right)
    with pytest.raises(SystemExit, match=r"^error: train_dataloader: data_root"):
        run_here(monkeypatch, tool, config, "--data-root", tmp_path / "nowhere")


@pytest.mark.det
def test_objects_of_a_detectors_pipeline(tmp_path):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    masks = np.zeros((1, 32, 48), dtype=np.uint8)
    masks[0, 4:12, 8:20] = 1
    info = DetDataSample()
    info.gt_instances = InstanceData(
        bboxes=HorizontalBoxes([[8, 4, 20, 12]]), labels=torch.tensor([1]), masks=BitmapMasks(masks, 32, 48)
    )
    info.ignored_instances = InstanceData(bboxes=HorizontalBoxes([[30, 2, 46, 30]]), labels=torch.tensor([0]))
    picture = draw_sample({"inputs": IMAGE, "data_samples": info}, Looks(("cat", "dog")), side=480)
    assert picture.caption == "2 objects, 32 × 48" and picture.image.shape == (320, 480, 3)
    assert np.array_equal(picture.image[40, 150], class_colour(1))  # the box's upper edge, ten times magnified
