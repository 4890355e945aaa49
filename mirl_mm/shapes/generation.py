"""Writes whole data sets: in parallel, all or nothing, and only once."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from mirl_mm.parallel import in_parallel

from .layouts import LAYOUTS, CocoAnnotation, make_folders, write_coco_json, write_scene
from .scene import DEFAULT_STYLE, SceneStyle, check_size, make_scene

MARKER = "shapes.json"  # written last, before the finished folder gets its name

_VERSION = 1  # raise it when the same settings give other images


def generate(
    out_dir: str | Path,
    *,
    num_train: int = 4000,
    num_val: int = 800,
    size: tuple[int, int] = (128, 128),
    layouts: Sequence[str] = LAYOUTS,
    seed: int = 0,
    style: SceneStyle = DEFAULT_STYLE,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a Shapes data set, or returns at once where the same one is complete already.

    The files are written into a hidden folder beside ``out_dir``, which is renamed when everything is there: an
    ``out_dir`` that exists is complete, even after a kill. Processes that ask for the same folder at the same time wait
    for the first one. The files do not depend on the number of workers, and image i not on the number of images.

    Args:
        out_dir: Folder to create; see ``mirl_mm.shapes.layouts`` for what lies in it.
        num_train: Number of training images.
        num_val: Number of validation images.
        size: (H, W) of every image in pixels.
        layouts: Some of ``LAYOUTS``.
        seed: Which data set, >= 0.
        style: How scenes are composed.
        workers: Number of processes; as many as there are CPUs by default, one for very few images.
        overwrite: Replace a Shapes data set with other settings instead of raising FileExistsError.

    Returns:
        ``out_dir``, absolute.

    Raises:
        ValueError: An argument is outside of its range.
        FileExistsError: ``out_dir`` holds something else: Shapes with other settings, or files of another origin, which
            are never deleted.
    """
    out_dir = Path(out_dir).resolve()
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}: must be at least 1, or None for one per CPU")
    request = _Request({"train": num_train, "val": num_val}, size, layouts, seed, style)
    description = request.as_dict()
    if _is_done(out_dir, description, overwrite):
        return out_dir
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out_dir.parent / f".{out_dir.name}.lock"):
        if _is_done(out_dir, description, overwrite):  # by the process that held the lock
            return out_dir
        with _partial_folder(out_dir) as root:
            _write_all(root, request, workers)
            (root / MARKER).write_text(json.dumps(description, indent=2) + "\n")
            # What is replaced loses its name before it is deleted, never half-way.
            replaced = out_dir.parent / f".{out_dir.name}.replaced"
            shutil.rmtree(replaced, ignore_errors=True)  # left by a process that was killed
            if out_dir.exists():  # empty, or to be overwritten
                out_dir.rename(replaced)
            root.rename(out_dir)
            shutil.rmtree(replaced, ignore_errors=True)
    return out_dir


@dataclass(frozen=True)
class _Request:
    """A data set to write; one that cannot be written is refused."""

    counts: dict[str, int]
    size: tuple[int, int]
    layouts: Sequence[str]
    seed: int
    style: SceneStyle

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: may not be negative")
        unknown = [layout for layout in self.layouts if layout not in LAYOUTS]
        if unknown or not self.layouts or isinstance(self.layouts, str):
            raise ValueError(f"layouts={self.layouts!r}: choose one or more of {', '.join(LAYOUTS)}")
        least = len(self.style.classes)
        for split, count in self.counts.items():
            if count < 0:
                raise ValueError(f"num_{split}={count}: may not be negative")
            if "folder" in self.layouts and 0 < count < least:
                raise ValueError(
                    f"num_{split}={count}: an image folder needs an image of each class; ask for 0 or for at least "
                    f"{least} images"
                )
        if not any(self.counts.values()):
            raise ValueError("num_train=0 and num_val=0: nothing to write")

    def as_dict(self) -> dict[str, Any]:
        """All that decides what the files contain, in JSON's types."""
        return {
            "generator": "mirl_mm.datasets.shapes",
            "version": _VERSION,
            **{f"num_{split}": count for split, count in self.counts.items()},
            "size": [int(side) for side in self.size],
            "layouts": [layout for layout in LAYOUTS if layout in self.layouts],
            "seed": self.seed,
            **self.style.as_dict(),
        }


def _is_done(out_dir: Path, wanted: dict[str, Any], overwrite: bool) -> bool:
    """Whether the wanted data set is there already; refuses to replace something else."""
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    marker = out_dir / MARKER
    if not marker.is_file():
        raise FileExistsError(
            f"{out_dir} exists and was not made by the Shapes generator (it has no {MARKER}): choose another folder, "
            "or remove this one yourself"
        )
    found = json.loads(marker.read_text())
    if found == wanted:
        return True
    if overwrite:
        return False
    keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    changes = "; ".join(f"{key} is {found.get(key)}, asked for {wanted.get(key)}" for key in keys)
    raise FileExistsError(
        f"{out_dir} holds Shapes with other settings ({changes}): choose another folder, or overwrite it "
        "(overwrite=True, --overwrite)"
    )


@contextmanager
def _partial_folder(out_dir: Path) -> Iterator[Path]:
    """A hidden folder beside ``out_dir``, gone at the end; to be entered by the holder of the lock only."""
    root = out_dir.parent / f".{out_dir.name}.partial"
    shutil.rmtree(root, ignore_errors=True)  # left by a process that was killed
    root.mkdir()
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _write_all(root: Path, request: _Request, workers: int | None) -> None:
    size, classes = request.size, request.style.classes
    splits = [split for split, count in request.counts.items() if count]
    make_folders(root, request.layouts, splits, classes)
    scenes = [(split, index) for split in splits for index in range(request.counts[split])]
    write = partial(_write_scene, root=root, request=request)
    annotations: dict[str, list[list[CocoAnnotation]]] = {split: [] for split in splits}
    for (split, _), written in zip(
        scenes, in_parallel(write, scenes, f"Shapes {size[0]}x{size[1]}", workers), strict=True
    ):
        annotations[split].append(written)
    if "coco" in request.layouts:
        for split in splits:
            write_coco_json(root, split, size, classes, annotations[split])


def _write_scene(scene: tuple[str, int], root: Path, request: _Request) -> list[CocoAnnotation]:
    """One of a split's scenes, by its index."""
    made = make_scene(request.seed, *scene, request.size, request.style)
    return write_scene(root, request.layouts, *scene, made, request.style.classes)
