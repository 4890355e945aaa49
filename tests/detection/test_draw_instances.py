"""Objects drawn into images."""

import numpy as np
import pytest

from mirl_mm.detection.draw_instances import Instance, draw_instances
from mirl_mm.visualization.palette import class_colour, ink_on

GREY = np.full((100, 160, 3), 120, dtype=np.uint8)


def test_boxes_and_masks_are_where_they_should_be():
    mask = np.zeros((100, 160), dtype=bool)
    mask[30:60, 40:90] = True
    drawn = draw_instances(GREY, [Instance((20, 20, 100, 80), 1, "", mask)], (160, 160))
    assert drawn.shape == GREY.shape and np.array_equal(GREY[0, 0], [120] * 3)
    colour = np.array(class_colour(1))
    for y, x in ((20, 60), (79, 60), (50, 20), (50, 99)):
        assert np.array_equal(drawn[y, x], colour)
    inside = drawn[45, 65].astype(int)
    assert np.abs(inside - (120 * 0.6 + colour * 0.4)).max() <= 1
    for y, x in ((25, 30), (70, 95), (5, 5), (95, 150)):
        assert np.array_equal(drawn[y, x], [120] * 3)


def test_small_images_are_magnified_and_large_ones_reduced():
    instance = [Instance((0, 0, 160, 100), 0, "whole")]
    assert draw_instances(GREY, instance, (500, 1000)).shape == (300, 480, 3)  # a whole number
    assert draw_instances(GREY, instance, (40, 80)).shape == (50, 80, 3)
    assert draw_instances(GREY, []).shape == (400, 640, 3)


def test_texts_avoid_each_other_and_stay_inside():
    texts = [Instance((0, 0, 150, 90), label, "a cat" if label else "a dog") for label in range(2)]
    both = draw_instances(GREY, texts, (640, 640))
    for label in range(2):
        filled = (both == np.array(class_colour(label))).all(axis=2)
        rows = filled[:, 8:60].mean(axis=1)
        assert (rows > 0.5).sum() >= 6, f"text {label} is covered"


def test_what_lies_beyond_the_image_does_no_harm():
    drawn = draw_instances(GREY, [Instance((-50, -50, -10, -10), 0, "out"), Instance((150, 90, 900, 900), 1, "x" * 99)])
    assert drawn.shape == (400, 640, 3)


def test_ignored_objects_are_grey_and_dashed():
    drawn = draw_instances(GREY, [Instance((20, 20, 140, 80), 1, "", ignored=True)], (160, 160))
    line = (drawn[20, 20:140] != 120).any(axis=1)
    assert 0.3 < line.mean() < 0.8


def test_colours_differ_and_their_texts_are_legible():
    colours = [class_colour(label) for label in range(150)]
    assert len(set(colours)) == 150
    for colour in colours:
        light, dark = (_luminance(colour), _luminance(ink_on(colour)))
        assert (max(light, dark) + 0.05) / (min(light, dark) + 0.05) >= 4.5  # WCAG 2.1 AA


def _luminance(colour):
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("label", range(7))
def test_the_first_seven_are_okabe_and_itos(label):
    names = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]
    assert "#{:02X}{:02X}{:02X}".format(*class_colour(label)) == names[label]
