"""Images in folders: with labels, without, or as a list names them."""

import os
from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from mirl_mm.errors import CorruptImageError
from mirl_mm.registry import DATASETS

from .checks import check_images_exist, check_list_file, check_root, no_images
from .file_lists import list_images
from .folder_labels import class_folders, labels_of_folders, read_list
from .randomness import SeededIndex, seeded_by
from .transforms.pipeline import Step, build_pipeline

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
# So many corrupt files in a row are no accident: a wrong folder, or a file system that went away.
_MAX_TRIES = 64


@DATASETS.register_module()
class ImageFolder(Dataset):
    """The images below a folder, in the order of their paths.

    Args:
        data_root: The data set's folder.
        split: A sub-folder of it, such as ``train``.
        labelled: Whether each of the folder's sub-folders is a class, labels counting them by name; or, with a list,
            whether each line ends in a label. If not, images may lie at any depth.
        list_file: A text file of one path a line, relative to the folder; the file itself is relative to
            ``data_root``. None: all files with one of the extensions.
        classes: The class names in the order of their labels; None: those of the sub-folders.
        extensions: Endings of image files; their case plays no part.
        pipeline: Transforms, as configs or callables.
        on_corrupt: What becomes of an image that can't be decoded: ``error`` or ``skip``, which takes the next image
            that can, and names what was skipped in the data sample's ``skipped``.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: No images, a layout that isn't as said, or a bad line in a list.
    """

    def __init__(
        self,
        data_root: str,
        split: str = "",
        labelled: bool = False,
        list_file: str | None = None,
        classes: Sequence[str] | None = None,
        extensions: Sequence[str] = EXTENSIONS,
        pipeline: Sequence[dict | Step] = (),
        on_corrupt: str = "error",
    ) -> None:
        if on_corrupt not in ("error", "skip"):
            raise ValueError(f"on_corrupt must be 'error' or 'skip', got {on_corrupt!r}")
        self.root = check_root(data_root, split)
        self.on_corrupt = on_corrupt
        self.pipeline = build_pipeline(pipeline)
        self.labels: np.ndarray | None = None
        if list_file is not None:
            self.files, self.labels = read_list(os.path.join(data_root, list_file), self.root, labelled)
        else:
            endings = tuple(extension.lower() for extension in extensions)
            self.files = list_images(self.root, endings)
            if not self.files:
                raise no_images(self.root, endings)
            if labelled:
                classes = class_folders(self.root, self.files) if classes is None else classes
                self.labels = labels_of_folders(self.root, self.files, classes)
        self.classes = None if classes is None else tuple(classes)

    @classmethod
    def preflight(
        cls,
        data_root: str,
        split: str = "",
        list_file: str | None = None,
        extensions: Sequence[str] = EXTENSIONS,
        **_: object,
    ) -> None:
        """Finds out in an instant whether there are images at all; takes the constructor's arguments.

        Raises:
            FileNotFoundError: A folder or file is missing.
            ValueError: There are no images.
        """
        root = check_root(data_root, split)
        if list_file is not None:
            check_list_file(os.path.join(data_root, list_file))
        else:
            check_images_exist(root, tuple(extension.lower() for extension in extensions))

    @property
    def metainfo(self) -> dict:
        """``classes``, where the images are labelled."""
        return {} if self.classes is None else {"classes": self.classes}

    def __len__(self) -> int:
        return len(self.files)

    def get_data_info(self, index: int) -> dict:
        """What is known of an image before it is read: ``img_path`` and, where labelled, ``gt_label``."""
        info: dict = {"img_path": os.path.join(self.root, self.files[index])}
        if self.labels is not None:
            info["gt_label"] = int(self.labels[index])
        return info

    def __getitem__(self, key: int | SeededIndex) -> dict:
        """One sample through the pipeline; where the key has a seed, its randomness follows from that alone.

        Raises:
            CorruptImageError: The image can't be decoded; names it.
        """
        with seeded_by(key) as index:
            return self._load(index)

    def _load(self, index: int) -> dict:
        skipped: list[str] = []
        for step in range(min(_MAX_TRIES, len(self))):
            info = self.get_data_info((index + step) % len(self))
            path = info["img_path"]
            if skipped:
                info["skipped"] = skipped
            try:
                return self.pipeline(info)
            except CorruptImageError as error:
                if self.on_corrupt == "error":
                    raise CorruptImageError(
                        f"{error}. Replace or delete the file, or set on_corrupt='skip' in the data set's config to "
                        "train without it"
                    ) from error
                skipped.append(path)
        raise CorruptImageError(
            f"on_corrupt='skip' gave up: {len(skipped)} images in a row can't be read, from '{skipped[0]}' to "
            f"'{skipped[-1]}'. Check that {self.root} is the right folder and that its file system is there"
        )
