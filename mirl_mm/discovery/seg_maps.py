"""Images and segmentation maps for segmentation: pairs of files, their splits, and what the values mean."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.file_backend import write_file
from mirl_mm.text import counted, short_path

from .found import Found, Request, Split, nothing_found
from .seg_map_values import SegMapValues, binary_masks, understand_values
from .splits import held_out, split_folders

MASK_LAYOUTS = (
    "images/ and masks/ (or labels/, annotations/), each with the splits' folders in it or without",
    "train/images and train/masks (or labels, annotations), val/images and val/masks",
    "train/, trainannot/ (or train_labels, train_masks), val/, valannot/",
    "train/x.jpg beside train/x_mask.png",
    "and classes.txt with a name on each line, or _classes.csv",
)
_IMAGES = ("images", "image", "imgs", "img", "JPEGImages", "")
_MASKS = ("masks", "mask", "labels", "label", "annotations", "annots", "gt", "SegmentationClass", "")
_BESIDE = ("annot", "annotations", "_annotations", "_labels", "labels", "_masks", "_mask", "_gt")
_SUFFIXES = ("", "_mask", "_label", "_labels", "_gt", "_L", "_seg", "_segmentation")
_MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm")


class _Pairs(NamedTuple):
    """Images and masks of a split: their folders, names without endings, and how both end."""

    images: Path
    masks: Path
    names: list[str]
    image_suffix: str
    mask_suffix: str
    left_out: int


def find_masks(request: Request) -> Found:
    """Pairs of image and mask; without a validation split, a share of them is held out.

    Raises:
        NothingFoundError: If there are none, or they are no segmentation maps.
    """
    root, out_dir = request.root, request.out_dir
    tried: list[str] = []
    found = _find_pairs(root, tried)
    if "train" not in found:
        raise nothing_found(root, "pairs of image and mask", MASK_LAYOUTS, tried)
    paths = [pairs.masks / f"{name}{pairs.mask_suffix}" for pairs in found.values() for name in pairs.names]
    values = understand_values(
        paths, [root, *(place for pairs in found.values() for place in pairs[:2])], request.names
    )
    notes = [values.note]
    if values.binary:
        made = out_dir / "masks"
        for name, pairs in found.items():
            binary_masks({each: pairs.masks / f"{each}{pairs.mask_suffix}" for each in pairs.names}, made / name)
        found = {name: pairs._replace(masks=made / name, mask_suffix=".png") for name, pairs in found.items()}
        notes.append(f"their 255 is written as 1 in '{short_path(made)}'")
    for name, pairs in found.items():
        if pairs.left_out:
            notes.append(f"{name}: {counted(pairs.left_out, 'image')} without mask left out")
    lists: dict[str, tuple[_Pairs, Sequence[str] | None]] = {
        name: (pairs, pairs.names if pairs.left_out or pairs.images == pairs.masks else None)
        for name, pairs in found.items()
    }
    if len(found) == 1:
        pairs = found["train"]
        parts, note = held_out([None] * len(pairs.names), request)
        if len(parts) > 1:
            lists = {name: (pairs, [pairs.names[i] for i in part]) for name, part in parts.items()}
        notes.append(note)
    splits = {
        name: _split(request, pairs, names, values, out_dir / f"{name}.txt") for name, (pairs, names) in lists.items()
    }
    return Found("images and masks", splits, values.classes, notes=notes)


def has_pairs(root: Path) -> bool:
    """Whether a folder has pairs of image and mask to train with."""
    return "train" in _find_pairs(root, [])


def _split(request: Request, pairs: _Pairs, names: Sequence[str] | None, values: SegMapValues, path: Path) -> Split:
    if names is not None:
        write_file(path, "".join(f"{name}\n" for name in names))
    settings = {
        "data_root": request.data_root,
        "data_prefix": {
            "img_path": request.relative(pairs.images),
            "seg_map_path": request.relative(pairs.masks),
        },
        "img_suffix": pairs.image_suffix,
        "seg_map_suffix": pairs.mask_suffix,
        "ann_file": "" if names is None else str(path),
        "reduce_zero_label": values.reduce_zero_label,
    }
    number = len(pairs.names if names is None else names)
    return Split(settings, number, f"'{short_path(pairs.images)}' and '{short_path(pairs.masks)}'")


def _find_pairs(root: Path, tried: list[str]) -> Mapping[str, _Pairs]:
    """The first layout that has pairs for training."""
    for layout in _layouts(root):
        found = {split: pairs for split, places in layout.items() if (pairs := _pair(*places, tried)) is not None}
        if "train" in found:
            return found
    return {}


def _layouts(root: Path) -> Iterator[Mapping[str, tuple[Path, Path]]]:
    """Folders of images and of masks by split, in every known layout."""
    pairs = [(image, mask) for image in _IMAGES for mask in _MASKS]
    for image, mask in pairs:
        if image and mask:
            images, masks = split_folders(root / image), split_folders(root / mask)
            yield {split: (images[split], masks[split]) for split in images.keys() & masks.keys()}
    folders = split_folders(root)
    for image, mask in pairs:
        if image and mask:
            yield {split: (folder / image, folder / mask) for split, folder in folders.items()}
    for beside in _BESIDE:
        yield {split: (folder, folder.with_name(folder.name + beside)) for split, folder in folders.items()}
    yield {split: (folder, folder) for split, folder in folders.items()}
    for image, mask in pairs:
        yield {"train": (root / image, root / mask)}


def _pair(images: Path, masks: Path, tried: list[str]) -> _Pairs | None:
    if not images.is_dir() or not masks.is_dir():
        return None
    stems = _stems(masks, _MASK_ENDINGS)
    same = images == masks
    candidates = _stems(images, EXTENSIONS)
    if not same:  # masks may lie in a folder within
        candidates = {name: path for name, path in candidates.items() if not path.is_relative_to(masks)}
    for suffix in _SUFFIXES[same:]:
        # In one folder, masks are no images: what ends in the suffix is left aside.
        own = {name: path for name, path in candidates.items() if not (same and name.endswith(suffix))}
        names = [name for name in own if f"{name}{suffix}" in stems]
        if not names:
            continue
        endings = Counter(own[name].suffix for name in names)
        mask_endings = Counter(stems[f"{name}{suffix}"].suffix for name in names)
        if len(endings) > 1 or len(mask_endings) > 1:
            kinds = ", ".join(f"{number:,} {ending}" for ending, number in (endings + mask_endings).items())
            tried.append(
                f"The files of '{images}' and '{masks}' have several endings ({kinds}): they must be the same."
            )
            return None
        ending, mask_ending = next(iter(endings)), next(iter(mask_endings))
        return _Pairs(images, masks, names, ending, f"{suffix}{mask_ending}", len(own) - len(names))
    return None


def _stems(folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Files by their path in the folder without ending."""
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in find_files(folder, endings)}
