"""Images per second and core of our train pipeline beside torchvision's ImageFolder with PIL transforms.

Both run in one worker of a data loader, up to the batch, and take turns, so that whatever else the machine does meets
both. Seconds are the worker's processor time. Also says which step takes how much of it, and how far the two's pixels
are apart for the same crops.

    python tools/analysis_tools/benchmark_data.py --data-root data/imagenet/train
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from torchvision import transforms as T

from mirl_mm.cli import Parser
from mirl_mm.datasets import ImageFolder, SeededIndex
from mirl_mm.datasets.randomness import seeded, seeded_index
from mirl_mm.engine.launch import load_config

TRAIN_PIPELINE: list[dict[str, Any]] = [
    {"type": "LoadImage"},
    {"type": "RandomResizedCrop", "size": (224, 224), "scale": (0.2, 1.0)},
    {"type": "RandomFlip"},
    {"type": "MaskNoise", "patch_size": (16, 16)},
    {"type": "PackInputs"},
]
BATCH = 32
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pil_transform(pipeline: list[dict[str, Any]]) -> T.Compose:
    """The usual PIL transforms with the pipeline's crop and flip, up to the 8-bit image."""
    steps = {step["type"].rpartition(".")[2]: step for step in pipeline}
    if not {"RandomResizedCrop", "RandomFlip"} <= steps.keys():
        raise SystemExit(
            "The config's train pipeline has no RandomResizedCrop or no RandomFlip, so there is nothing to set beside "
            f"it; its steps are {', '.join(steps)}. Leave --config away for the default pipeline"
        )
    crop = steps["RandomResizedCrop"]
    return T.Compose(
        [
            T.RandomResizedCrop(
                crop["size"],
                crop.get("scale", (0.2, 1.0)),
                crop.get("ratio", (3 / 4, 4 / 3)),
                T.InterpolationMode(crop.get("interpolation", "bicubic")),
            ),
            T.RandomHorizontalFlip(steps["RandomFlip"].get("prob", 0.5)),
        ]
    )


class Timed:
    """A step of a pipeline that adds its processor time to a sum."""

    def __init__(self, step: Callable[[dict], dict], seconds: Counter[str]) -> None:
        self.step, self.seconds = step, seconds

    def __call__(self, results: dict) -> dict:
        """Takes the step."""
        start = time.process_time()
        results = self.step(results)
        self.seconds[type(self.step).__name__] += time.process_time() - start
        return results


class Turns(Dataset):
    """What each turn took, as a data set, so that a data loader's worker takes them."""

    def __init__(self, ours: ImageFolder, pil: datasets.ImageFolder, draws: list[SeededIndex], turns: int) -> None:
        self.ours, self.pil, self.turns = ours, pil, turns
        self.batches = [draws[start : start + BATCH] for start in range(0, len(draws), BATCH)]

    def __len__(self) -> int:
        return self.turns

    def __getitem__(self, turn: int) -> Counter[str]:
        """Seconds: ``ours`` and ``pil`` in all, and those of our steps by their names."""
        seconds: Counter[str] = Counter()
        steps = self.ours.pipeline.transforms
        self.ours.pipeline.transforms = [Timed(step, seconds) for step in steps]
        start = time.process_time()
        for batch in self.batches:
            samples = [self.ours[one] for one in batch]
            collating = time.process_time()
            default_collate(samples)
            seconds["collate"] += time.process_time() - collating
        middle = time.process_time()
        self.ours.pipeline.transforms = steps
        for batch in self.batches:
            default_collate([self.pil[one.sample] for one in batch])
        return seconds + Counter(ours=middle - start, pil=time.process_time() - middle)


def pixel_differences(ours: ImageFolder, pil: datasets.ImageFolder, draws: list[SeededIndex]) -> torch.Tensor:
    """(256,) int64: how many values differ by 0, 1, 2, ... grey levels."""
    counts = torch.zeros(256, dtype=torch.int64)
    for one in draws:
        image = ours[one]["inputs"]
        with seeded(one.seed):
            reference = torch.from_numpy(np.array(pil[one.sample][0])).permute(2, 0, 1)
        counts += torch.bincount((image.int() - reference.int()).abs().flatten(), minlength=256)
    return counts


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--data-root", required=True, help="a folder of class folders, as torchvision wants it")
    parser.add_argument("--config", help="take train_dataloader.dataset.pipeline from this config")
    parser.add_argument("--num-images", type=int, default=400, help="images per turn")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each")
    args = parser.parse_args()
    torch.set_num_threads(1)  # a worker's number, too
    pipeline = TRAIN_PIPELINE if args.config is None else load_config(args.config).train_dataloader.dataset.pipeline
    to_8_bit = pil_transform(pipeline)
    ours = ImageFolder(args.data_root, pipeline=pipeline)
    pil_8_bit = datasets.ImageFolder(args.data_root, transform=to_8_bit)
    to_float = T.Compose([*to_8_bit.transforms, T.ToTensor(), T.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    pil = datasets.ImageFolder(args.data_root, transform=to_float)
    if len(ours) != len(pil):
        raise SystemExit(
            f"{args.data_root} holds {len(ours)} images of which {len(pil)} are in class folders; give --data-root a "
            "folder with nothing but class folders"
        )
    positions = np.linspace(0, len(ours) - 1, min(args.num_images, len(ours))).astype(int).tolist()
    draws = [seeded_index(0, 0, position) for position in positions]

    counts = pixel_differences(ours, pil_8_bit, draws)  # also brings the files into memory
    turns = list(DataLoader(Turns(ours, pil, draws, args.repeats), batch_size=None, num_workers=1))
    ratios = [turn["pil"] / turn["ours"] for turn in turns]

    print(
        f"{len(draws)} images, {args.repeats} turns each, processor time of one worker; medians (smallest to largest)"
    )
    for name, label in (("ours", "mirl_mm, uint8 out"), ("pil", "torchvision + PIL, float out")):
        speeds = [len(draws) / turn[name] for turn in turns]
        print(f"  {label:30s}{statistics.median(speeds):8.0f} images/s ({min(speeds):.0f} to {max(speeds):.0f})")
    print(f"  {'ratio, turn by turn':30s}{statistics.median(ratios):8.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print("Ours, microseconds an image:")
    steps = [name for name in turns[0] if name not in ("ours", "pil")]
    times = {name: statistics.median(turn[name] / len(draws) * 1e6 for turn in turns) for name in steps}
    times["seeding and the rest"] = statistics.median(
        (turn["ours"] - sum(turn[name] for name in steps)) / len(draws) * 1e6 for turn in turns
    )
    for name, time_taken in times.items():
        print(f"  {name:30s}{time_taken:8.0f} ({time_taken / sum(times.values()):.0%})")
    levels = torch.arange(256)
    print(
        f"Same crops, in grey levels of 255: largest difference {int(levels[counts > 0].max())}, "
        f"mean {float((counts * levels).sum() / counts.sum()):.4f}, "
        f"more than 2 at {float(counts[3:].sum() / counts.sum()):.1e} of all values"
    )


if __name__ == "__main__":
    main()
