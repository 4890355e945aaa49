"""Tiles that join without seams, and scores of large images without all of them in memory."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mirl_mm.segmentation.tiles import blended_tiles, check_tiles, resized_strips


def joined(blocks, size, channels=2):
    """The whole image's scores; every pixel comes once."""
    whole, seen = torch.full((channels, *size), torch.nan), torch.zeros(size)
    for block in blocks:
        whole[:, block.rows, block.columns] = block.scores
        seen[block.rows, block.columns] += 1
    assert (seen == 1).all()
    return whole


def smooth_image(size):
    y, x = torch.meshgrid(torch.linspace(0, 3, size[0]), torch.linspace(0, 5, size[1]), indexing="ij")
    return torch.stack([torch.sin(x) * y, torch.cos(y + x), x * y / 5])


def pointwise(images):
    return torch.stack([images[:, 0] * 2 - images[:, 1], images.pow(2).sum(dim=1)], dim=1)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("size", [(50, 70), (64, 64), (33, 200), (151, 97), (20, 130), (7, 9), (90, 32)])
@pytest.mark.parametrize(("tile", "overlap"), [((32, 32), 8), ((32, 48), 16), ((40, 24), 0), ((31, 17), 5)])
def test_a_function_of_each_pixel_comes_out_as_it_is(size, tile, overlap, batch_size):
    image = smooth_image(size)
    found = joined(blended_tiles(pointwise, image, tile, overlap, batch_size), size)
    torch.testing.assert_close(found, pointwise(image[None])[0], atol=1e-5, rtol=1e-5)


def test_tiles_that_differ_join_without_a_step():
    """A model that sees its tile's mean gives each tile another constant: the hardest case for seams."""
    image, overlap = smooth_image((150, 190)), 16

    def mean(images):
        return images.mean(dim=(2, 3), keepdim=True).expand(-1, -1, *images.shape[2:])[:, :2]

    found = joined(blended_tiles(mean, image, (48, 48), overlap), (150, 190))
    spread = float(found.amax() - found.amin())
    for axis in (1, 2):
        step = float(found.diff(dim=axis).abs().max())
        assert 0 < step < spread / overlap  # equal weights would step by half the difference of two tiles
    hard = joined(blended_tiles(mean, image, (48, 48), 0), (150, 190))
    assert float(hard.diff(dim=2).abs().max()) > 5 * float(found.diff(dim=2).abs().max())


def test_one_tile_is_the_image_as_a_whole():
    image = smooth_image((48, 64))
    calls = []

    def score(images):
        calls.append(tuple(images.shape))
        return F.avg_pool2d(images, 5, 1, 2)[:, :2]

    found = joined(blended_tiles(score, image, (48, 64), 12), (48, 64))
    assert calls == [(1, 3, 48, 64)] and torch.equal(found, score(image[None])[0])


def test_what_is_kept_does_not_grow_with_the_image():
    """Of 300 rows no more than a row of tiles is ever scored ahead of what was handed out."""
    ahead, scored = [], 0

    def score(images):
        nonlocal scored
        scored += 1
        return images[:, :2]

    for done, _ in enumerate(blended_tiles(score, torch.zeros(3, 300, 100), (20, 20), 5)):
        ahead.append(scored - done)
    assert max(ahead) == 1


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(31, 47), (8, 12), (5, 90), (64, 7), (1, 1)])
def test_strips_are_torchs_resize(monkeypatch, size, align_corners):
    monkeypatch.setattr("mirl_mm.segmentation.tiles._STRIP", 300)
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 8, 12)).astype(np.float32))
    blocks = list(resized_strips(scores, size, align_corners))
    assert len(blocks) == -(-size[0] // max(300 // (2 * size[1]), 1))
    expected = F.interpolate(scores[None], size, mode="bilinear", align_corners=align_corners)[0]
    torch.testing.assert_close(joined(blocks, size), expected, atol=1e-5, rtol=1e-5)


def test_tiles_that_cannot_be_laid():
    assert check_tiles((64, 32), None) == ((64, 32), 8)
    with pytest.raises(ValueError, match=r"tile must be \(H, W\) in pixels, both positive, got \(0, 4\)"):
        check_tiles((0, 4), None)
    with pytest.raises(ValueError, match=r"overlap must lie in 0\.\.16, half of the tile's shorter side, got 17"):
        check_tiles((64, 32), 17)
