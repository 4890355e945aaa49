"""Scenes and their labels; writing of data sets: tests/shapes/test_generation.py."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mirl_mm.shapes import CLASSES, Scene, SceneStyle, make_scene
from mirl_mm.shapes.outlines import OUTLINES, rasterise

SIZES = [(64, 64), (48, 96), (97, 50)]
DEFAULT = SceneStyle()
CROWDED = SceneStyle(max_objects=12, subject_size=(0.5, 0.6), distractor_size=(0.1, 0.45), min_visible=0.7)


def scenes(size: tuple[int, int], count: int = 40, style: SceneStyle = DEFAULT) -> list[Scene]:
    return [make_scene(3, "train", index, size, style) for index in range(count)]


def same(a: Scene, b: Scene) -> bool:
    return np.array_equal(a.image, b.image) and np.array_equal(a.semantic, b.semantic)


def test_a_scene_depends_on_its_arguments_alone():
    first = make_scene(1, "val", 5, (64, 48))
    make_scene(1, "val", 4, (64, 48))
    again = make_scene(1, "val", 5, (64, 48))
    assert same(first, again)
    assert [(i.label, i.bbox) for i in first.instances] == [(i.label, i.bbox) for i in again.instances]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(first.instances, again.instances, strict=True))


@pytest.mark.parametrize("other", [(2, "val", 5), (1, "train", 5), (1, "val", 13)])
def test_seed_split_and_index_each_change_the_scene(other):
    # Index 13 has the same subject class as index 5.
    assert not same(make_scene(1, "val", 5, (64, 64)), make_scene(*other, (64, 64)))


@pytest.mark.parametrize("size", SIZES)
def test_labels_agree_with_each_other(size):
    for scene in scenes(size):
        assert scene.image.shape == (*size, 3) and scene.image.dtype == np.uint8
        assert scene.semantic.shape == size and scene.semantic.dtype == np.uint8
        union = np.zeros(size, np.uint8)
        for instance in scene.instances:
            assert instance.mask.shape == size and instance.mask.dtype == bool
            assert not union[instance.mask].any(), "masks overlap"
            union[instance.mask] = instance.label
            x, y, w, h = instance.bbox
            inside = instance.mask[y : y + h, x : x + w]
            assert inside.sum() == instance.mask.sum(), "mask reaches out of its box"
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any(), "box not tight"
        assert np.array_equal(union, scene.semantic)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("style", [DEFAULT, CROWDED], ids=["default", "crowded"])
def test_composition_keeps_the_promises_of_its_style(size, style):
    counts = []
    for index, scene in enumerate(scenes(size, style=style)):
        areas = [int(instance.mask.sum()) for instance in scene.instances]
        counts.append(len(areas))
        assert scene.instances[0].label == scene.subject == index % len(CLASSES) + 1
        assert areas[0] >= style.dominance * max(areas[1:], default=0)
        for area, (smallest, _) in zip(
            areas, [style.subject_size, *[style.distractor_size] * (len(areas) - 1)], strict=True
        ):
            assert area >= style.min_visible * math.pi * (smallest * min(size) / 2) ** 2
    assert min(counts) == 1 and 4 <= max(counts) <= style.max_objects


def test_a_style_without_distractors():
    assert {len(scene.instances) for scene in scenes((64, 64), style=SceneStyle(max_objects=1))} == {1}


def test_some_of_the_classes():
    few = SceneStyle(max_objects=1, max_rotation=0, classes=("cross", "ring"))
    for index, scene in enumerate(scenes((64, 64), style=few)):
        (thing,) = scene.instances
        assert thing.label == scene.subject == index % 2 + 1
        x, y, w, h = thing.bbox
        hole = not thing.mask[y + h // 2, x + w // 2]
        assert hole == (thing.label == 2)
    assert {
        thing.label
        for scene in scenes((64, 64), style=replace(CROWDED, classes=few.classes))
        for thing in scene.instances
    } == {1, 2}


def test_objects_of_all_classes_overlap_and_stand_out():
    contrasts, seen, touching = [], set(), 0
    for scene in scenes((96, 96), count=80):
        background = scene.image[scene.semantic == 0].mean(axis=0)
        seen |= {instance.label for instance in scene.instances[1:]}
        for instance in scene.instances:
            contrasts.append(np.abs(scene.image[instance.mask].mean(axis=0) - background).max())
            x, y, w, h = instance.bbox
            touching += len(set(np.unique(scene.semantic[y : y + h, x : x + w])) - {0, instance.label}) > 0
    assert seen == set(range(1, len(CLASSES) + 1))
    assert min(contrasts) > 20
    assert touching > 40


def test_background_and_fill_are_textured_and_colour_does_not_give_the_class_away():
    by_class: dict[int, list[np.ndarray]] = {}
    flat = 0
    for scene in (all_scenes := scenes((64, 64), count=160)):
        subject = scene.instances[0]
        by_class.setdefault(subject.label, []).append(scene.image[subject.mask].mean(axis=0))
        flat += scene.image[scene.semantic == 0].std(axis=0).max() < 4
    assert flat < len(all_scenes) / 10
    # Means of 20 colours each, spread over 0 to 255 with a standard deviation of about 55 / sqrt(20) = 12.
    means = np.array([np.mean(colours, axis=0) for colours in by_class.values()])
    assert np.abs(means - means.mean(axis=0)).max() < 45


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("angle", [0.0, 1.0, 4.0])
def test_shapes_have_the_area_of_a_disc_and_turn_about_their_centroid(name, angle):
    radius, centre = 20.0, (60.3, 49.6)
    rows, columns, coverage = rasterise(OUTLINES[name], centre, radius, angle, 1.15, (100, 120))
    mask = np.zeros((100, 120), bool)
    mask[rows, columns] = coverage >= 128
    assert mask.sum() == pytest.approx(math.pi * radius**2, rel=0.05)
    assert coverage.sum() / 255 == pytest.approx(math.pi * radius**2, rel=0.025)
    y, x = np.nonzero(mask)
    assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx(centre, abs=0.3)


def test_rasterise_clips_to_the_image():
    whole = np.zeros((80, 90), np.uint8)
    rows, columns, coverage = rasterise(OUTLINES["star"], (45.0, 40.0), 15.0, 0.4, 1.0, (80, 90))
    whole[rows, columns] = coverage
    corner = np.zeros((40, 45), np.uint8)
    rows, columns, coverage = rasterise(OUTLINES["star"], (0.0, 0.0), 15.0, 0.4, 1.0, (40, 45))
    corner[rows, columns] = coverage
    assert np.array_equal(corner, whole[40:, 45:])
    assert rasterise(OUTLINES["star"], (-99.0, 200.0), 15.0, 0.4, 1.0, (40, 45))[2].size == 0


def test_a_ring_has_a_hole():
    _, _, coverage = rasterise(OUTLINES["ring"], (30.0, 30.0), 15.0, 0.0, 1.0, (60, 60))
    middle = tuple(side // 2 for side in coverage.shape)
    assert coverage[middle] == 0 and coverage.max() == 255


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "training", 0, (64, 64)), r"split='training': choose one of train, val, test"),
        ((-1, "train", 0, (64, 64)), r"seed=-1"),
        ((0, "train", -2, (64, 64)), r"index=-2"),
        ((0, "train", 0, (64, 31)), r"size=\(64, 31\).*at least 32"),
        ((0, "train", 0, (64.5, 64)), r"size=\(64.5, 64\)"),
        ((0, "train", 0, (64,)), r"size=\(64,\).*\(H, W\)"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_scene(*arguments)


@pytest.mark.parametrize(("max_rotation", "mirrored"), [(0.0, True), (180.0, False)])
def test_upright_hearts_are_their_own_mirror_images(max_rotation, mirrored):
    style = SceneStyle(max_objects=1, max_rotation=max_rotation)
    overlaps = []
    for index in range(20):
        scene = make_scene(0, "train", CLASSES.index("heart") + len(CLASSES) * index, (64, 64), style)
        (instance,) = scene.instances
        x, y, width, height = instance.bbox
        mask = instance.mask[y : y + height, x : x + width]
        overlaps.append((mask & mask[:, ::-1]).sum() / (mask | mask[:, ::-1]).sum())
    assert (np.median(overlaps) > 0.9) == mirrored


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_objects": 0}, "max_objects=0"),
        ({"subject_size": (0.5, 0.4)}, r"subject_size=\(0.5, 0.4\)"),
        ({"distractor_size": (0.01, 0.4)}, r"distractor_size=\(0.01, 0.4\)"),
        ({"min_visible": 1.0}, "min_visible=1.0: choose"),
        ({"dominance": 1.0}, "dominance=1.0: must exceed 1"),
        ({"max_rotation": 200}, "max_rotation=200: choose 0 to 180 degrees"),
        ({"classes": ()}, r"classes=\(\): choose one or more of circle, crescent"),
        ({"classes": ("ring", "cross")}, "star, triangle, in this order"),
        ({"classes": ("cross", "hexagon")}, "hexagon"),
        ({"subject_size": (0.3, 0.5), "distractor_size": (0.3, 0.3)}, "larger than 0.37"),
    ],
)
def test_bad_styles_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        SceneStyle(**values)


def test_needs_no_torch():
    code = """
import sys
sys.modules["torch"] = None
import mirl_mm.shapes as shapes
shapes.make_scene(0, "train", 0, (32, 32))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
