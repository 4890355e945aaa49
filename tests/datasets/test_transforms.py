"""Transforms: PIL's pixels, and what the model gets."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.model import ImgDataPreprocessor
from PIL import Image
from torchvision import transforms as by_pil
from torchvision.transforms import InterpolationMode, v2

from mirl_mm.datasets import build_pipeline, load_image
from mirl_mm.datasets.randomness import seeded
from mirl_mm.datasets.transforms import (
    CenterCrop,
    MaskNoise,
    PackInputs,
    RandomFlip,
    RandomResizedCrop,
    ResizeShortSide,
)
from mirl_mm.structures import DataSample
from tests.datasets.conftest import smooth_image

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos1000.tar"


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def resize_width_first(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """PIL's bicubic in the order of passes that PIL had before version 13 and torch has."""
    height, width = size
    return image.resize((width, image.height), Image.Resampling.BICUBIC).resize(
        (width, height), Image.Resampling.BICUBIC
    )


@pytest.mark.parametrize("shape", [(300, 400), (260, 200), (200, 260), (100, 90), (224, 300), (900, 30)])
def test_resizing_is_pils_within_two_levels(shape):
    """Also for pixels that overshoot: noise of pure black and white is the worst there is."""
    pixels = np.random.default_rng(0).integers(0, 2, (*shape, 3), dtype=np.uint8) * 255
    image = Image.fromarray(pixels)
    crop = RandomResizedCrop((224, 192), scale=(1.0, 1.0), ratio=(shape[1] / shape[0],) * 2)
    ours = crop({"img": as_tensor(image)})["img"]
    difference = (ours.int() - as_tensor(resize_width_first(image, (224, 192))).int()).abs()
    assert ours.dtype == torch.uint8
    assert difference.max() <= 2
    assert difference.float().mean() < 0.2


def test_train_transforms_are_torchvisions():
    """Same random numbers, same crop, same flip, same pixels."""
    ours = build_pipeline(
        [{"type": "RandomResizedCrop", "size": (64, 96), "scale": (0.2, 1.0)}, {"type": "RandomFlip"}]
    )
    theirs = by_pil.Compose(
        [
            by_pil.RandomResizedCrop((64, 96), (0.2, 1.0), interpolation=InterpolationMode.BICUBIC),
            by_pil.RandomHorizontalFlip(),
        ]
    )
    image = smooth_image(150, 200)
    for seed in range(20):
        with seeded(seed):
            found = ours({"img": as_tensor(image)})["img"]
        with seeded(seed):
            expected = as_tensor(theirs(image))
        difference = (found.int() - expected.int()).abs()
        assert difference.float().mean() < 0.3
        assert (difference > 2).float().mean() < 1e-3


@pytest.mark.parametrize("seed", range(2))
def test_transforms_are_torchvisions_v2_to_the_bit(seed):
    """Rectangles, flips, pixels and the state of the generator; of images that are too narrow for any draw, too."""
    chance = np.random.default_rng(seed)
    for trial in range(60):
        shape = (5, 300) if trial % 20 == 0 else (300, 5) if trial % 20 == 10 else chance.integers(1, 300, 2)
        pixels = chance.integers(0, 256, (*shape, 3), dtype=np.uint8)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        image = image.contiguous() if trial % 3 == 0 else image
        size, scale = [int(chance.choice([1, 48, 160])), 64], ((0.08, 1.0), (0.2, 1.0), (1.0, 1.0))[trial % 3]
        mode = ("bicubic", "bilinear", "nearest")[trial // 3 % 3]
        ours = [RandomResizedCrop(size, scale, interpolation=mode), RandomFlip(0.3)]
        theirs = [
            v2.RandomResizedCrop(size, scale, interpolation=InterpolationMode(mode)),
            v2.RandomHorizontalFlip(0.3),
        ]
        if max(shape) < 20 * min(shape):
            ours += [ResizeShortSide(40, mode), CenterCrop((48, 30))]
            theirs += [v2.Resize([40], InterpolationMode(mode)), v2.CenterCrop([48, 30])]
        for our_step, their_step in zip(ours, theirs, strict=True):
            assert repr(our_step) == repr(their_step)
            with seeded(trial):
                found = our_step({"img": image})["img"]
                state = torch.get_rng_state()
            with seeded(trial):
                expected = their_step(image)
                assert torch.equal(torch.get_rng_state(), state)
            assert torch.equal(found, expected), (our_step, shape)


def test_validation_transforms_are_torchvisions():
    theirs = by_pil.Compose(
        [
            by_pil.Resize(64, InterpolationMode.BICUBIC),
            by_pil.CenterCrop((48, 56)),
        ]
    )
    for shape in ((150, 201), (201, 150), (40, 50)):
        image = smooth_image(*shape)
        found = CenterCrop((48, 56))(ResizeShortSide(64)({"img": as_tensor(image)}))["img"]
        assert found.shape == (3, 48, 56)
        assert (found.int() - as_tensor(theirs(image)).int()).abs().float().mean() < 0.1


@pytest.mark.skipif(not PHOTOS.exists(), reason="needs the photos beside the project")
def test_photos_within_the_documented_tolerance(tmp_path):
    """The figures of docs/data.md: mean below 0.05, more than 2 at fewer than 1 in 5000 values."""
    counts = torch.zeros(256, dtype=torch.int64)
    with tarfile.open(PHOTOS) as tar:
        members = [member for member in tar if "/val/" in member.name and member.isfile()][:50]
        for seed, member in enumerate(members):
            file = tmp_path / "photo.jpg"
            file.write_bytes(tar.extractfile(member).read())
            crop = by_pil.RandomResizedCrop((224, 224), (0.2, 1.0), interpolation=InterpolationMode.BICUBIC)
            with seeded(seed):
                found = RandomResizedCrop((224, 224))({"img": load_image(str(file))})["img"]
            with seeded(seed):
                expected = as_tensor(crop(Image.open(file).convert("RGB")))
            counts += torch.bincount((found.int() - expected.int()).abs().flatten(), minlength=256)
    assert len(members) == 50
    assert (counts * torch.arange(256)).sum() / counts.sum() < 0.05
    assert counts[3:].sum() / counts.sum() < 2e-4


def test_flip_mirrors_left_and_right():
    image = as_tensor(smooth_image())
    assert torch.equal(RandomFlip(1.0)({"img": image})["img"], image.flip(2))
    assert torch.equal(RandomFlip(0.0)({"img": image})["img"], image)


@pytest.mark.parametrize("size", [224, (224,), (0, 224), (224.0, 224)])
def test_size_must_be_height_and_width(size):
    with pytest.raises(ValueError, match=r"\(height, width\).*size=\(224, 224\)"):
        RandomResizedCrop(size)


def test_mask_noise():
    image = torch.zeros(3, 64, 96, dtype=torch.uint8)
    for patch, length in ((16, 24), ((32, 16), 12)):
        with seeded(3):
            noise = MaskNoise(patch)({"img": image})["noise"]
        with seeded(3):
            assert torch.equal(noise, torch.rand(length))
    with pytest.raises(ValueError, match="64 x 96 can't be cut into patches of 24 x 16"):
        MaskNoise((24, 16))({"img": image})


def test_packed_batch_goes_through_the_data_preprocessor():
    results = {"img": torch.full((3, 32, 32), 100, dtype=torch.uint8), "img_path": "a.jpg", "ori_shape": (50, 60)}
    steps = build_pipeline([{"type": "MaskNoise", "patch_size": (16, 16)}, {"type": "PackInputs"}])
    batch = default_collate([steps({**results, "gt_label": label}) for label in (4, 2)])
    assert batch["inputs"].dtype == torch.uint8
    noise = batch["noise"].clone()
    preprocessor = ImgDataPreprocessor(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    out = preprocessor(batch)
    expected = (100 - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    np.testing.assert_allclose(out["inputs"].mean((0, 2, 3)), expected, rtol=1e-5)
    assert torch.equal(out["noise"], noise)
    assert [sample.gt_label for sample in out["data_samples"]] == [4, 2]
    assert out["data_samples"][0].img_path == "a.jpg"
    assert out["data_samples"][0].ori_shape == (50, 60)


def test_pack_leaves_out_what_is_unknown():
    packed = PackInputs()({"img": torch.zeros(3, 8, 6, dtype=torch.uint8).transpose(1, 2), "img_path": "a.jpg"})
    assert packed.keys() == {"inputs", "data_samples"}
    assert packed["inputs"].is_contiguous()
    assert packed["data_samples"].metainfo == {"img_path": "a.jpg"}


def test_data_sample_moves_its_data_only_if_it_has_some():
    sample = DataSample(metainfo={"gt_label": 3})
    assert sample.to("cpu") is sample
    sample.pred_score = torch.zeros(2)
    assert sample.to(torch.float64).pred_score.dtype == torch.float64
    assert sample.to(torch.float64).gt_label == 3
