"""What is in an image: one scene, drawn from its number alone."""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mirl_mm.rle import box_of

from .outlines import CLASSES, OUTLINES, rasterise
from .textures import Colour, pick_colour, smooth_noise, textured

SPLITS: tuple[str, ...] = ("train", "val", "test")
MIN_SIDE = 32  # pixels; below, the smallest shapes cannot be told apart

_ATTEMPTS = 12  # tries to place one more object before the scene goes without it


@dataclass(frozen=True)
class SceneStyle:
    """How scenes are composed. Object sizes are diameters of discs with equal area, relative to the shorter side.

    Args:
        max_objects: Every scene has 1 to this many objects, its subject included.
        subject_size: Range of the subject's size.
        distractor_size: Range of the other objects' sizes.
        min_visible: Least share of an object that neither another object nor the image border may hide.
        dominance: The subject's visible area is at least this many times that of any other object.
        max_rotation: Objects are turned by up to so many degrees to either side, 180 being any angle. Upright shapes
            are far easier to tell apart.
        classes: Shapes to draw, some of ``CLASSES`` in that order. Fewer are learnt sooner.

    Raises:
        ValueError: A value is outside of its range.
    """

    max_objects: int = 5
    subject_size: tuple[float, float] = (0.4, 0.56)
    distractor_size: tuple[float, float] = (0.2, 0.34)
    min_visible: float = 0.6
    dominance: float = 1.5
    max_rotation: float = 180.0
    classes: tuple[str, ...] = CLASSES

    def __post_init__(self) -> None:
        if not self.classes or self.classes != tuple(name for name in CLASSES if name in self.classes):
            raise ValueError(f"classes={self.classes}: choose one or more of {', '.join(CLASSES)}, in this order")
        if not 1 <= self.max_objects <= 50:
            raise ValueError(f"max_objects={self.max_objects}: choose 1 to 50 objects")
        for name in ("subject_size", "distractor_size"):
            low, high = getattr(self, name)
            if not 0.05 <= low <= high <= 0.6:
                raise ValueError(f"{name}=({low}, {high}): choose 0.05 <= smallest <= largest <= 0.6")
        if not 0.2 <= self.min_visible <= 0.7:
            raise ValueError(f"min_visible={self.min_visible}: choose 0.2 to 0.7")
        if not self.dominance > 1:
            raise ValueError(f"dominance={self.dominance}: must exceed 1, or the subject is not the largest object")
        if not 0 <= self.max_rotation <= 180:
            raise ValueError(f"max_rotation={self.max_rotation}: choose 0 to 180 degrees")
        smallest = self.distractor_size[0] * math.sqrt(self.dominance)
        if self.max_objects > 1 and smallest >= self.subject_size[0]:
            raise ValueError(
                f"subject_size={self.subject_size} is too small beside distractor_size={self.distractor_size}: with "
                f"dominance={self.dominance} a subject must be larger than {smallest:.2f}"
            )

    def as_dict(self) -> dict[str, int | float | list[float] | list[str]]:
        """The values in JSON's types."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


DEFAULT_STYLE = SceneStyle()

#: At most three objects, large and upright: what a small model learns to find in minutes.
EASY_STYLE = SceneStyle(
    max_objects=3, subject_size=(0.45, 0.58), distractor_size=(0.3, 0.4), min_visible=0.7, max_rotation=15.0
)


@dataclass(frozen=True)
class Instance:
    """The visible part of one object.

    Args:
        label: 1 to the number of classes; ``classes[label - 1]`` of the scene's style is its name.
        bbox: (x, y, w, h) in pixels, tight around the mask.
        mask: (H, W) bool, True where the object is seen. The masks of a scene are disjoint.
    """

    label: int
    bbox: tuple[int, int, int, int]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """An image with all of its labels.

    Args:
        image: (H, W, 3) uint8, RGB.
        instances: The subject first, then the distractors in the order in which they were placed.
        semantic: (H, W) uint8, 0 for background, else the label of the instance seen at the pixel.
        subject: Label of the largest object, the class of the whole image.
    """

    image: NDArray[np.uint8]
    instances: tuple[Instance, ...]
    semantic: NDArray[np.uint8]
    subject: int


@dataclass(frozen=True)
class _Object:
    label: int
    radius: float  # pixels
    rows: slice
    columns: slice
    coverage: NDArray[np.uint8]  # (h, w), 255 where the shape fills the pixel

    @property
    def full_area(self) -> float:
        return math.pi * self.radius**2


def _random_object(
    rng: np.random.Generator, label: int, radius: float, margin: float, size: tuple[int, int], style: SceneStyle
) -> _Object:
    """Places a shape anywhere, its centre ``margin`` radii inside the image."""
    inset = min(margin * radius, min(size) / 2)
    centre = (rng.uniform(inset, size[1] - inset), rng.uniform(inset, size[0] - inset))
    angle, stretch = rng.uniform(0, 2 * math.pi), math.exp(rng.uniform(-0.15, 0.15))
    if style.max_rotation < 180:
        angle = (angle / math.pi - 1) * math.radians(style.max_rotation)
    return _Object(label, radius, *rasterise(OUTLINES[style.classes[label - 1]], centre, radius, angle, stretch, size))


def _paint_ids(bottom_up: list[_Object], ids: list[int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W): the id of the object on top at each pixel, 0 for none. A pixel belongs to what covers half of it."""
    top = np.zeros(size, np.uint8)
    for thing, number in zip(bottom_up, ids, strict=True):
        top[thing.rows, thing.columns][thing.coverage >= 128] = number
    return top


def _compose(
    rng: np.random.Generator, subject_label: int, size: tuple[int, int], style: SceneStyle
) -> tuple[list[_Object], list[int], NDArray[np.uint8]]:
    """Chooses the objects of a scene.

    Each distractor is tried on top of or below all that is there already. A place where it would hide too much, or be
    hidden too much itself, is given up for another, so that nothing is ever visible without a label.

    Returns:
        The objects, the subject first; their indices from the lowest to the topmost; (H, W) index + 1 of the object
        seen at each pixel, 0 for background.
    """
    short_side = min(size)
    subject = _random_object(rng, subject_label, rng.uniform(*style.subject_size) * short_side / 2, 1.0, size, style)
    objects, order = [subject], [0]
    ids = _paint_ids(objects, [1], size)
    smallest, largest = style.distractor_size
    largest = max(smallest, min(largest, 2 * subject.radius / short_side / math.sqrt(style.dominance)))
    for _ in range(rng.integers(style.max_objects)):
        for _ in range(_ATTEMPTS):
            radius = rng.uniform(smallest, largest) * short_side / 2
            thing = _random_object(rng, int(rng.integers(len(style.classes))) + 1, radius, 0.5, size, style)
            candidates = [*objects, thing]
            new = len(objects)
            bottom_up = [*order, new] if rng.random() < 0.5 else [new, *order]
            painted = _paint_ids([candidates[i] for i in bottom_up], [i + 1 for i in bottom_up], size)
            areas = np.bincount(painted.ravel(), minlength=new + 2)[1:]
            seen = [area >= style.min_visible * each.full_area for each, area in zip(candidates, areas, strict=True)]
            if all(seen) and areas[0] >= style.dominance * max(areas[1:], default=0):
                objects, order, ids = candidates, bottom_up, painted
                break
    return objects, order, ids


def _paint(rng: np.random.Generator, bottom_up: list[_Object], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draws background and objects, then lets uneven light and sensor noise fall on all of it."""
    short_side = min(size)
    colours: list[Colour] = [pick_colour(rng, [])]
    canvas = textured(rng, size, colours[0], (0.06 * short_side, 0.3 * short_side), (10, 38))
    canvas += smooth_noise(rng, size, 0.5 * short_side, octaves=4)[..., None] * np.float32(rng.uniform(4, 22))
    for thing in bottom_up:
        colours.append(pick_colour(rng, colours))
        period = (0.35 * thing.radius, 0.9 * thing.radius)
        height, width = thing.coverage.shape
        fill = textured(rng, (height, width), colours[-1], period, (8, 32))
        window = canvas[thing.rows, thing.columns]
        window += (fill - window) * (thing.coverage[..., None] * np.float32(1 / 255))
    light = 1 + smooth_noise(rng, size, 0.8 * short_side, octaves=1) * np.float32(rng.uniform(0, 0.2))
    canvas *= light[..., None]
    grain = rng.standard_normal(size, np.float32) * np.float32(rng.uniform(0.5, 5))
    canvas += grain[..., None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def check_size(size: tuple[int, int]) -> None:
    """Raises ValueError unless both sides of (H, W) are at least ``MIN_SIDE`` pixels."""
    if len(size) != 2 or any(side != int(side) or side < MIN_SIDE for side in size):
        raise ValueError(f"size={size}: must be (H, W), two whole numbers of at least {MIN_SIDE} pixels")


def make_scene(seed: int, split: str, index: int, size: tuple[int, int], style: SceneStyle = DEFAULT_STYLE) -> Scene:
    """Makes one scene; the same arguments always give the same scene, whatever was made before.

    The subject's class is ``index`` modulo the number of classes, so that any run of images is balanced; everything
    else is random.

    Args:
        seed: Which data set, >= 0.
        split: One of ``SPLITS``.
        index: Which image of the split, >= 0.
        size: (H, W) in pixels.
        style: How scenes are composed.

    Returns:
        The image with its labels.

    Raises:
        ValueError: An argument is outside of its range.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r}: choose one of {', '.join(SPLITS)}")
    if seed < 0 or index < 0:
        raise ValueError(f"seed={seed}, index={index}: neither may be negative")
    check_size(size)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), index)))
    subject = index % len(style.classes) + 1
    objects, order, ids = _compose(rng, subject, size, style)
    image = _paint(rng, [objects[i] for i in order], size)
    labels = np.array([0, *[thing.label for thing in objects]], np.uint8)
    instances = []
    for number, thing in enumerate(objects, start=1):
        mask = ids == number
        x1, y1, x2, y2 = box_of(mask)
        instances.append(Instance(thing.label, (x1, y1, x2 - x1, y2 - y1), mask))
    return Scene(image, tuple(instances), labels[ids], subject)
