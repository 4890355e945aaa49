"""The parts of the report, in the order of what they are worth: a report that is cut has the first of them."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

#: What nothing works without, and the package that brings it. mmengine imports OpenCV, and not all of its
#: distributions bring it.
NEEDED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "mmengine": "onedl-mmengine",
    "cv2": "opencv-python-headless",
}


class Part(NamedTuple):
    """What one process does.

    Attributes:
        name: On the command line.
        title: In the report.
        module: Of this package; its ``run(bench, **settings)`` is called.
        settings: For it.
        beside: Seconds, on an H100 or H200 with 16 cores, in which other parts may work as well: start, building,
            compiling. Of those that an H200 has run by what it took, else an estimate.
        alone: Seconds in which it measures, and all others wait; likewise.
        gigabytes: Of the GPU's memory, at most: the step's (docs/speed.md), and some for CUDA.
        needs: Packages without which it is left out.
        by_itself: Nothing else is started beside it: it takes all of the processor's cores.
    """

    name: str
    title: str
    module: str
    settings: dict
    beside: float
    alone: float
    gigabytes: float
    needs: tuple[str, ...] = ()
    by_itself: bool = False

    @property
    def seconds(self) -> float:
        """Expected, without waiting for others."""
        return self.beside + self.alone

    @property
    def limit(self) -> float:
        """Seconds after which it is killed, the wait for others not counted."""
        return round(2 * self.seconds + 20, -1)

    @property
    def missing(self) -> list[str]:
        """Of what it needs, what is not installed."""
        return [name for name in self.needs if find_spec(name) is None]


PARTS = (
    Part("environment", "Environment and matrix products", "environment", {}, 22, 6, 3),
    Part("golden", "Golden tensors on the device", "golden", {}, 22, 0, 2),
    Part("s54-512", "MIRL S-54, batch 512", "pretraining", {"case": "s54", "batch": 512, "both": True}, 140, 35, 42),
    Part("b48-256", "MIRL B-48, batch 256", "pretraining", {"case": "b48", "batch": 256}, 90, 25, 46),
    Part("training", "A minute of tools/train.py", "training", {}, 28, 45, 25, by_itself=True),
    Part("attention", "Attention kernels", "attention", {}, 20, 5, 10),
    Part("mae-l", "MAE ViT-L, decoder 512 x 8, batch 256", "pretraining", {"case": "mae-l", "batch": 256}, 75, 20, 30),
    Part("detector", "A detector's step", "runs", {"case": "detector"}, 70, 13, 30, ("mmcv", "mmdet")),
    Part("segmentor", "A segmentor's step", "runs", {"case": "segmentor"}, 25, 4, 14, ("mmcv", "mmseg")),
    Part("vitdet", "Encoders at 1024 x 1024", "vitdet", {}, 45, 10, 42),
    Part("finetuning", "Fine-tuning of B-48", "runs", {"case": "finetuning", "compiles": True}, 65, 10, 26),
    Part("s54-256", "MIRL S-54, batch 256", "pretraining", {"case": "s54", "batch": 256, "first": False}, 75, 15, 24),
    Part("b48-64", "MIRL B-48, batch 64", "pretraining", {"case": "b48", "batch": 64, "first": False}, 75, 15, 20),
)


def find_parts(names: Sequence[str]) -> list[Part]:
    """Parts by name, in the plan's order.

    Raises:
        ValueError: For a name that is none.
    """
    known = {part.name: part for part in PARTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no part is called {', '.join(unknown)}: there are {', '.join(known)}")
    return [part for part in PARTS if part.name in names]


def check_packages() -> None:
    """Refuse to start without what every part needs.

    Raises:
        ModuleNotFoundError: With what is missing and how to get it.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"{' and '.join(missing)} can't be imported: pip install {' '.join(NEEDED[name] for name in missing)}"
        )
