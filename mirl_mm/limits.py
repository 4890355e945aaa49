"""How large an image may be: one setting for all that read images."""

import os

#: OpenCV's own limit, which its reader of detection's and segmentation's images has: 3 GiB of RGB.
DEFAULT_MAX_PIXELS = 2**30
_SETTING = "MIRL_MM_MAX_PIXELS"


def max_pixels() -> int:
    """Pixels of the largest image that is read, from the environment variable ``MIRL_MM_MAX_PIXELS``.

    Raises:
        ValueError: If that is no positive number.
    """
    given = os.environ.get(_SETTING)
    if not given:
        return DEFAULT_MAX_PIXELS
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"{_SETTING} is a number of pixels, at least 1, got {given!r}")
    return int(given)


def limit_opencv() -> None:
    """Let OpenCV have the same limit; it asks for it once, when it is imported."""
    if os.environ.get(_SETTING):
        os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(max_pixels())
