import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from mirl_mm.pretraining.draw_reconstruction import draw_grid, reconstruction_grid
from mirl_mm.pretraining.reconstruction import Reconstruction
from mirl_mm.visualization.png import encode_png

COLOURS = {
    "original": (200, 10, 10),
    "masked": (10, 200, 10),
    "pair 1+2: main": (10, 10, 200),
    "pair 1+2: sum": (1, 2, 3),
}


def plain(size, rows=2):
    """Columns of images of one colour each; the second row is a little brighter."""
    step = torch.arange(rows).view(-1, 1, 1, 1) * 5
    return {
        title: (torch.tensor(colour).view(1, 3, 1, 1) + step).expand(-1, -1, *size) / 255
        for title, colour in COLOURS.items()
    }


def boxes(picture, colour):
    """(top, bottom, left, right) of the pixels of a colour, which must fill them."""
    rows, columns = np.where((picture == colour).all(axis=2))
    box = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    assert len(rows) == (box[1] - box[0]) * (box[3] - box[2])
    return box


@pytest.mark.parametrize(
    ("size", "shown"), [((32, 48), (128, 192)), ((224, 224), (224, 224)), ((512, 1024), (128, 256))]
)
def test_images_stand_in_rows_and_columns(size, shown):
    picture = draw_grid(plain(size), ["first", "second"])
    placed = [[boxes(picture, tuple(np.add(c, 5 * row))) for c in COLOURS.values()] for row in range(2)]
    for row in placed:
        assert len({box[:2] for box in row}) == 1
        assert all((box[1] - box[0], box[3] - box[2]) == shown for box in row)
        gaps = [right[2] - left[3] for left, right in pairwise(row)]
        assert gaps[1] > gaps[0] == gaps[2] > 0  # a group's images stand closer together
    for above, below in zip(*placed, strict=True):
        assert above[2:] == below[2:]
        assert below[0] > above[1]


def test_small_images_are_magnified_without_blur():
    image = torch.randint(0, 256, (1, 3, 32, 32)).float() / 255
    picture = draw_grid({"a": image}, [""])
    expected = (image[0] * 255).round().byte().permute(1, 2, 0).repeat_interleave(4, 0).repeat_interleave(4, 1).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(picture, (128, 128, 3))[:, :, 0]
    assert any(np.array_equal(windows[y, 12], expected) for y in range(len(windows)))


def test_labels_notes_title_and_caption_are_written_and_fit():
    bare = draw_grid(plain((32, 32)), ["", ""])
    caption = "a sentence that goes on and on " * 12
    full = draw_grid(plain((32, 32)), ["name", "x" * 500], [{"pair 1+2": "loss 0.5"}] * 2, "title " * 90, caption)
    assert full.shape[1] == bare.shape[1]
    assert full.shape[0] > bare.shape[0]
    assert (full[:, -12:] == 255).all()  # the margin stays empty, whatever the text
    assert (full[:, :12] == 255).all()
    label_of_row_2 = slice(boxes(full, (200, 10, 10))[1] + 4, boxes(full, (205, 15, 15))[0])
    _, _, left, right = boxes(full, (10, 10, 200))
    assert (full[label_of_row_2, left:right] < 255).any()  # a long label takes the room up to the loss
    assert (full[label_of_row_2, right : right + 4] == 255).all()  # and no more


@pytest.mark.parametrize("names", [("pair_1_4", "pair_2_3"), ("pair_1_2",), ("loss",)])
def test_every_method_gets_a_picture_with_its_losses(names):
    titles = (
        ["prediction"] if names == ("loss",) else [f"pair {n[5]}+{n[7]}: {p}" for n in names for p in ("main", "sum")]
    )
    images = {title: torch.rand(2, 3, 16, 16) for title in ("original", "masked", *titles)}
    losses = [dict.fromkeys(names, torch.full((2,), value)) for value in (0.25, 0.5)]
    first, second = (
        reconstruction_grid(Reconstruction(images, torch.ones(2, 2, 2).bool(), values, True, True)) for values in losses
    )
    changed = np.unique(np.where((first != second).any(axis=2))[0])
    assert first.shape == second.shape
    assert 0 < len(changed) < 40  # the losses of two rows, nothing else


def test_png_keeps_every_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(picture)))), picture)
