"""Are a data set's segmentation maps what the config takes them for? Quick enough to be asked before every training."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mirl_mm.datasets.checks import check_part, endings_of
from mirl_mm.datasets.directory_scan import find_files
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.datasets.seg_maps import SegMapRules, count_seg_map
from mirl_mm.text import counted, shortlist

#: Masks that are looked at before a training: all of a small data set, where mistakes are likeliest, and a sample of a
#: large one, in a second or two. The rest is checked as it is loaded.
LOOKED_AT = 500
_THREADS = 8


def check_folders(data_root: str, images: str, masks: str | None) -> None:
    """See that the folders, absolute or relative to ``data_root``, are there; None: there are no masks.

    Raises:
        FileNotFoundError: Says which one is missing, and what is there instead.
    """
    check_part(data_root, images, "image folder", "data_prefix=dict(img_path=...)")
    if masks is not None:
        check_part(data_root, masks, "mask folder", "data_prefix=dict(seg_map_path=...)")


def check_classes(classes: Sequence[str]) -> None:
    """Refuse a single class: of softmax over one score, loss, gradient and mean IoU are 0 from the first step on.

    Raises:
        ValueError: With the remedy.
    """
    if len(classes) == 1:
        raise ValueError(
            f"the data has one class, {classes[0]!r}, and a segmentor tells classes from one another: loss and "
            "gradient would be 0. Give the rest of the image a class, too: where its value in the masks is 0, by "
            f"metainfo=dict(classes=('background', {classes[0]!r})) and reduce_zero_label=False in the data set's "
            "config; coco_to_masks.py writes a class of its own for it with --background background"
        )


def list_images(folder: str, suffix: str) -> list[tuple[str, str]]:
    """The images of a folder and of all below it whose names end in ``suffix``, whatever its case.

    Returns:
        Their paths in the folder without that ending, and the ending as it is; sorted.
    """
    found = [os.path.relpath(path, folder) for path in find_files(folder, [suffix.lower()])]
    return [(name[: -len(suffix)], name[-len(suffix) :]) for name in sorted(found)]


def describe_left_out(
    images: Sequence[str], masks: Sequence[str], image_folder: str, mask_folder: str | None, mask_suffix: str
) -> list[str]:
    """Warnings of what lies in the folders and is not taken: images of other endings, masks of no image."""
    taken, warnings = {os.path.normpath(path) for path in (*images, *masks)}, []
    same = mask_folder is not None and os.path.realpath(mask_folder) == os.path.realpath(image_folder)
    others = [] if same else sorted(_files(image_folder, EXTENSIONS) - taken)
    if others:
        warnings.append(
            f"{counted(len(others), 'image')} of '{image_folder}' {'is' if len(others) == 1 else 'are'} left out, as "
            f"the names end otherwise than img_suffix says: {endings_of(others)}; the first is '{others[0]}'"
        )
    alone = [] if mask_folder is None else sorted(_files(mask_folder, [mask_suffix.lower()]) - taken)
    if alone:
        warnings.append(
            f"{counted(len(alone), 'mask')} of '{mask_folder}' {'has' if len(alone) == 1 else 'have'} no image; the "
            f"first is '{alone[0]}'"
        )
    return warnings


def check_files(images: Sequence[str], folder: str, suffix: str) -> None:
    """See that there are images of that ending in a folder, and that those of a list are there.

    Raises:
        ValueError: If there is none; tells which endings there are.
        FileNotFoundError: If a file is missing.
    """
    present = _files(folder)
    if not images:
        raise ValueError(
            f"folder '{folder}' has no image that ends in '{suffix}'; endings found: "
            f"{endings_of(present) or 'no file at all'}. Set img_suffix in the data set's config to that of the images"
        )
    missing = [path for path in images if os.path.normpath(path) not in present]
    if missing:
        raise FileNotFoundError(
            f"{len(missing):,} of {len(images):,} images of the list are not in '{folder}': {shortlist(missing)}. The "
            "list (ann_file) has names without folder and ending"
        )


def check_seg_maps_exist(images: Sequence[str], masks: Sequence[str], folder: str) -> None:
    """See that each image has its mask in a folder.

    Raises:
        FileNotFoundError: If a mask is missing; names the first image without one.
    """
    present = _files(folder)
    missing = [i for i, path in enumerate(masks) if os.path.normpath(path) not in present]
    if missing:
        names = shortlist(sorted(os.path.basename(path) for path in present))
        there = f"there are {names}" if names else "there is no file"
        raise FileNotFoundError(
            f"{len(missing):,} of {len(images):,} images have no mask. The first is '{images[missing[0]]}', for which "
            f"there is no '{masks[missing[0]]}'; in '{folder}' {there}. Add the masks, set seg_map_suffix to "
            "how their names end, or name the images to take in a list (ann_file)"
        )


def _files(folder: str, endings: Sequence[str] = ()) -> set[str]:
    return {os.path.normpath(path) for path in find_files(folder, endings)}


def look_at_seg_maps(
    images: Sequence[str], masks: Sequence[str], rules: SegMapRules, number: int = LOOKED_AT
) -> str | None:
    """Check at most ``number`` masks, evenly spread over the data set, several at a time.

    Returns:
        A warning of masks without a single label, if there are any.

    Raises:
        ValueError: For the first mask that :func:`count_seg_map` refuses, or if no pixel has a label.
        CorruptImageError: If image or mask can't be read.
    """
    chosen = [i * len(masks) // number for i in range(number)] if len(masks) > number else list(range(len(masks)))
    with ThreadPoolExecutor(_THREADS) as pool:
        counts = list(pool.map(lambda i: count_seg_map(images[i], masks[i], rules), chosen))
    empty = [masks[i] for i, count in zip(chosen, counts, strict=True) if not count.pixels.any()]
    if not empty:
        return None
    what = f"{len(empty):,} of {len(chosen):,} masks looked at have no labelled pixel ({shortlist(empty)}): {rules}"
    if len(empty) == len(chosen):
        raise ValueError(
            f"{what}. Nothing can be learnt or measured: correct reduce_zero_label or ignore_index in the data set's "
            "config, or the masks"
        )
    return what
