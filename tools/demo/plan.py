"""What the demo does: its steps with their commands, and where things are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .step import Command, Step

CONFIGS = Path("configs/shapes")
CLASSES = ("cross", "heart", "ring", "triangle")  # of the shapes, those that are soon told apart
STARTS = {"random": "random weights", "mirl": "MIRL"}


@dataclass(frozen=True)
class Task:
    """What the encoder is fine-tuned for.

    Attributes:
        name: Also of its config, ``mirl_<name>_shapes.py``.
        title: With capital letter.
        model: What comes out, such as "detector".
        data: Folder of the images with labels in its form, below the generated data.
        length: Of the training.
        metrics: Names in the log to names for people; all of them are percent, and more is better.
    """

    name: str
    title: str
    model: str
    data: str
    length: int
    metrics: dict[str, str]

    @property
    def config(self) -> Path:
        """Its config file."""
        return CONFIGS / f"mirl_{self.name}_shapes.py"

    @property
    def unit(self) -> str:
        """Of the length."""
        return "epochs" if self.name == "cls" else "updates"

    @property
    def checkpoint(self) -> str:
        """Name of the last one."""
        return f"{'epoch' if self.name == 'cls' else 'iter'}_{self.length}.pth"


@dataclass(frozen=True)
class Settings:
    """Sizes of a demo.

    Attributes:
        work_dir: Where everything goes.
        num_images: For training and for validation.
        epochs: Of pre-training.
        lengths: Of fine-tuning: epochs of the classifier, updates of the detector and of the segmentor.
    """

    work_dir: Path
    num_images: tuple[int, int] = (4000, 500)
    epochs: int = 6
    lengths: tuple[int, int, int] = (1, 400, 300)

    @property
    def shapes(self) -> Path:
        """The generated data."""
        return self.work_dir / "shapes"

    @property
    def tasks(self) -> list[Task]:
        """What is fine-tuned, the longest first."""
        cls, det, seg = self.lengths
        box_and_mask = {"coco/bbox_mAP": "box AP", "coco/segm_mAP": "mask AP"}
        regions = {"mIoU": "mean IoU", "aAcc": "pixel accuracy"}
        return [
            Task("det", "Detection", "detector", "coco", det, box_and_mask),
            Task("seg", "Segmentation", "segmentor", "ade", seg, regions),
            Task("cls", "Classification", "classifier", "folder", cls, {"accuracy/top1": "top-1 accuracy"}),
        ]

    @property
    def checkpoint(self) -> Path:
        """Of pre-training."""
        return self.work_dir / "pretrain" / f"epoch_{self.epochs}.pth"

    def model_dir(self, task: Task, start: str) -> Path:
        """Of a fine-tuned model; ``start`` is one of :data:`STARTS`."""
        return self.work_dir / f"{task.name}_{start}"

    def found(self, task: Task, start: str) -> Path:
        """File with what a model sees in unseen images."""
        return self.model_dir(task, start) / "found.json"


SHOWN = 8  # unseen images of which the page shows what was found
RECONSTRUCTED = 5

#: Images in which a fine-tuned model shows what it finds, and further options.
_TRIED: dict[str, tuple[str, ...]] = {
    "det": ("coco/val2017", "--score-thr", "0.5"),
    "seg": ("ade/images/validation",),
}


def make_plan(settings: Settings) -> list[Step]:
    """All steps; each comes after those that it needs, and of those that may begin the first does."""
    tuned = {start: [_fine_tune(settings, task, start) for task in settings.tasks] for start in STARTS}
    return [_generate(settings), _pretrain(settings), *tuned["mirl"], _probe(settings), *tuned["random"]]


def _generate(settings: Settings) -> Step:
    train, val = map(str, settings.num_images)
    tool = "tools/dataset_converters/generate_shapes.py"
    numbers = ("--num-train", train, "--num-val", val)
    style = ("--size", "64", "64", "--easy", "--classes", *CLASSES)
    command = Command((tool, str(settings.shapes), *numbers, *style), 12)
    return Step("shapes", "Generate images", (command,), settings.shapes, (settings.shapes / "shapes.json",))


def _pretrain(settings: Settings) -> Step:
    config = CONFIGS / "mirl_pretrain_shapes.py"
    folder = settings.work_dir / "pretrain"
    epochs = settings.epochs
    options = (*_options(max_epochs=epochs, val_interval=epochs), f"param_scheduler.end={epochs}")
    train = _train(config, settings.shapes / "folder", folder, options)
    words = ("tools/visualization/infer.py", str(settings.checkpoint), str(settings.shapes / "folder/val"))
    draw = (*words, "--num-images", str(RECONSTRUCTED), "--out-dir", str(folder))
    return Step(
        "pretrain",
        "Pre-train with MIRL",
        (Command(train, 8 + 33 * epochs * settings.num_images[0] / 4000), Command(draw, 6)),
        folder,
        (settings.checkpoint, folder / "reconstruction.png"),
        ("shapes",),
        config_files(config),
        epochs,
    )


def _probe(settings: Settings) -> Step:
    folder = settings.work_dir / "depth_probe"
    words = ("tools/analysis_tools/depth_probe.py", str(settings.checkpoint), "--labels", "MIRL", "--random")
    data = ("--data-root", str(settings.shapes / "folder"), "--num-train", "1000", "--workers", "0")
    depths = ("--depths", *map(str, range(0, 25, 2)))
    command = Command((*words, *data, *depths, "--out-dir", str(folder)), 22)
    return Step("probe", "Probe each depth", (command,), folder, (folder / "depth_probe.json",), ("pretrain",))


def _fine_tune(settings: Settings, task: Task, start: str) -> Step:
    folder, length = settings.model_dir(task, start), task.length
    more = ("--classes", *(("background",) if task.name == "seg" else ()), *CLASSES)
    if start == "mirl":
        more = ("--pretrained", str(settings.checkpoint), *more)
    if task.unit == "epochs":
        options = (*_options(max_epochs=length, val_interval=length), f"param_scheduler.end={length}")
    else:
        weights = f"loss_decode.class_weight={[0.6, *[1.0] * len(CLASSES)]}".replace(" ", "")  # the config's, for fewer
        heads = ("decode_head", "auxiliary_head") if task.name == "seg" else ()
        options = (
            *(f"model.{head}.{weights}" for head in heads),
            *(("train_dataloader.batch_size=8",) if task.name == "det" else ()),  # more updates in the same time
            *_options(max_iters=length, val_interval=length),
            f"param_scheduler.0.end={length}",
            f"param_scheduler.0.warmup={max(length // 5, 1)}",
            "default_hooks.checkpoint.interval=50",
            f"default_hooks.logger.interval={min(max(length // 20, 1), 10)}",  # for a curve
        )
    train = _train(task.config, settings.shapes / task.data, folder, options, more)
    once, each = _SECONDS[task.name]
    commands, makes = [Command(train, once + each * length)], [folder / task.checkpoint]
    if task.name in _TRIED:
        images, *threshold = _TRIED[task.name]
        words = ("tools/visualization/infer.py", str(makes[0]), str(settings.shapes / images))
        masks = ("--masks", str(folder / "masks")) if task.name == "seg" else ()
        makes.append(settings.found(task, start))
        commands.append(Command((*words, "--num-images", str(SHOWN), *threshold, *masks, "--json", str(makes[1])), 8))
    return Step(
        f"{task.name}_{start}",
        f"Fine-tune a {task.model} from {STARTS[start]}",
        tuple(commands),
        folder,
        tuple(makes),
        ("shapes", "pretrain") if start == "mirl" else ("shapes",),
        config_files(task.config),
        length if task.unit == "epochs" else 0,
    )


#: Of a training: seconds to start and to evaluate, and for each update or epoch.
_SECONDS = {"cls": (10.0, 43.0), "det": (27.0, 0.31), "seg": (17.0, 0.27)}


def _train(config: Path, data: Path, folder: Path, options: Sequence[str], more: Sequence[str] = ()) -> tuple[str, ...]:
    words = ("tools/train.py", str(config), "--data-root", str(data), "--work-dir", str(folder), *more, "--resume")
    return (*words, "--cfg-options", *options)


def _options(**train_cfg: int) -> tuple[str, ...]:
    return tuple(f"train_cfg.{name}={value}" for name, value in train_cfg.items())


def config_files(path: Path) -> tuple[Path, ...]:
    """A config file and all that it inherits."""
    found = re.search(r"^_base_ = (\[.*?\]|\".*?\")", path.read_text(), re.DOTALL | re.MULTILINE)
    bases = re.findall(r"\"(.*?)\"", found[1]) if found else []
    return (path, *(each for base in bases for each in config_files(path.parent / base)))
