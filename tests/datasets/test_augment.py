"""RandAugment: timm's pixels, and randomness of the sample's draw alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from timm.data.auto_augment import RandAugment as TimmRandAugment

from mirl_mm.datasets import ImageFolder
from mirl_mm.datasets.randomness import seeded, seeded_index
from mirl_mm.datasets.transforms import RandAugment
from tests.datasets.conftest import smooth_image


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def timms() -> TimmRandAugment:
    """What timm makes in MAE's and MIRL's fine-tuning."""
    chain = create_transform(224, is_training=True, auto_augment="rand-m9-mstd0.5-inc1", interpolation="bicubic")
    return next(step for step in chain.transforms if isinstance(step, TimmRandAugment))


def test_pixels_are_timms():
    ours, theirs = RandAugment(), timms()
    image = smooth_image(100, 130)
    changed = 0
    for seed in range(60):  # 15 operations, two at a time, each in half of the cases
        with seeded(seed):
            found = ours({"img": as_tensor(image)})["img"]
        try:
            with seeded(seed):
                expected = as_tensor(theirs(image))
        except ValueError as error:  # posterize to 0 bits, see below
            if "bits must be" not in str(error):
                raise
            continue
        assert found.dtype == torch.uint8
        assert torch.equal(found, expected), seed
        changed += not torch.equal(found, as_tensor(image))
    assert changed > 30


def test_a_sample_depends_on_its_draw_alone(tmp_path):
    for name in "ab":
        smooth_image(40, 50).save(tmp_path / f"{name}.png")
    folder = ImageFolder(
        str(tmp_path),
        pipeline=[{"type": "LoadImage"}, {"type": "RandAugment", "policy": "rand-m9-n8-mstd0.5-inc1"}],
    )
    first = [folder[seeded_index(7, epoch, 0)]["img"] for epoch in range(4)]
    folder[seeded_index(7, 0, 1)]
    np.random.random(5)
    again = [folder[seeded_index(7, epoch, 0)]["img"] for epoch in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(first[0], other) for other in first[1:])


def test_posterizing_to_nothing_is_black():
    """Which timm asks for whenever the magnitude's noise reaches 10; Pillow 13 raises an error."""
    operation = next(step for step in RandAugment().transform.ops if step.name == "PosterizeIncreasing")
    operation.prob, operation.magnitude, operation.magnitude_std = 1.0, 10, 0
    assert not as_tensor(operation(smooth_image(20, 20))).any()
    operation.magnitude = 5
    assert set(as_tensor(operation(smooth_image(20, 20))).unique().tolist()) <= {0, 64, 128, 192}


@pytest.mark.parametrize("policy", ["original-mstd0.5", "rand-q9"])
def test_unreadable_policy(policy):
    with pytest.raises(ValueError, match=f"can't read the policy '{policy}'.*rand-m9-mstd0.5-inc1"):
        RandAugment(policy)
