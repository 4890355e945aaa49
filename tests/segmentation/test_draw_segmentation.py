"""Segmentations drawn beside their images."""

import numpy as np
import pytest

from mirl_mm.segmentation.draw_segmentation import draw_segmentation
from mirl_mm.visualization.palette import class_palette
from mirl_mm.visualization.regions import paint_regions, panel_size, resize_labels

GREY = np.full((160, 320, 3), 120, dtype=np.uint8)  # as large as it is drawn
NAMES = ("sky", "road", "tree")
PALETTE = np.array([(0, 0, 250), (250, 0, 0), (0, 250, 0)], dtype=np.uint8)


def regions():
    labels = np.zeros((160, 320), dtype=np.uint8)
    labels[80:] = 1
    return labels


def test_regions_are_tinted_and_parted_by_a_line():
    known = np.ones((160, 320), dtype=bool)
    known[:, :10] = False
    drawn = paint_regions(GREY, regions(), PALETTE, 0.5, known)
    assert drawn[40, 100].tolist() == [60, 60, 185] and drawn[120, 100].tolist() == [185, 60, 60]
    assert (drawn[79, 10:] == 255).all() and (drawn[[78, 80], 10:] != 255).any(axis=-1).all()
    assert (drawn[:, :10] == 120).all()
    assert np.array_equal(paint_regions(GREY, regions(), PALETTE, 0.0)[:79], GREY[:79])


def test_panels_and_a_legend_of_what_is_there():
    picture = draw_segmentation(GREY, regions(), NAMES, PALETTE, opacity=1.0, title="a.jpg")
    blue, red, green = ((picture == colour).all(axis=-1).sum() for colour in PALETTE)
    swatch = 13 * 13
    assert blue == 79 * 320 + swatch and red == 80 * 320 + swatch and green == 0
    truth = np.full((160, 320), 2, dtype=np.uint8)
    truth[:, 200:] = 255
    both = draw_segmentation(GREY, regions(), NAMES, PALETTE, truth, {0: 0.0, 1: 0.0, 2: 0.0}, 1.0, "a.jpg")
    assert (both == PALETTE[2]).all(axis=-1).sum() == 160 * 199 + swatch
    assert both.shape[1] > picture.shape[1] + 320


def test_long_legends_say_how_many_more_there_are():
    labels = np.arange(160 * 320).reshape(160, 320) % 150
    many = draw_segmentation(GREY, labels.astype(np.uint8), [f"class {i}" for i in range(150)], class_palette(150))
    few = draw_segmentation(GREY, regions(), NAMES, PALETTE)
    assert many.shape == few.shape


@pytest.mark.parametrize(
    ("size", "shown"), [((100, 150), (200, 300)), ((60, 90), (180, 270)), ((2000, 1000), (720, 360))]
)
def test_small_images_are_magnified_and_large_ones_reduced(size, shown):
    assert panel_size(size) == shown


def test_labels_are_taken_from_the_middle():
    labels = np.arange(12).reshape(3, 4)
    assert resize_labels(labels, (1, 2)).tolist() == [[5, 7]]
    assert np.array_equal(resize_labels(labels, (6, 8)), labels.repeat(2, axis=0).repeat(2, axis=1))


def test_a_palette_is_given_or_ours():
    assert class_palette(2, [(1, 2, 3), (4, 5, 6)]).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.array_equal(class_palette(3, [(1, 2, 3)]), class_palette(3))
    with pytest.raises(ValueError, match="three numbers in"):
        class_palette(1, [(1, 2, 300)])
