"""What the demo does: its steps with their commands."""

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mirl_mm.studies import Step

CLASSES = ("cross", "heart", "ring", "triangle")  # of the shapes, those that are soon told apart
STARTS = {"mirl": "MIRL", "random": "random weights"}


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
    lengths: tuple[int, int, int] = (1, 300, 300)


def make_plan(settings: Settings) -> list[Step]:
    """All steps; each comes after those that it needs, and of those that may begin the first does."""
    (train, val), epochs, (cls, det, seg) = settings.num_images, settings.epochs, settings.lengths
    step, root, classes = partial(Step, settings.work_dir), shlex.quote(str(settings.work_dir)), " ".join(CLASSES)
    checkpoint, infer = f"{root}/pretrain/epoch_{epochs}.pth", "tools/visualization/infer.py"

    def fit(name: str, title: str, seconds: float, form: str, length: int, needs: tuple, more: str = "") -> Step:
        """A training; ``name`` begins with the task, ``more`` are words of the command."""
        config = f"configs/shapes/mirl_{name.partition('_')[0]}_shapes.py"
        unit, batches = ("epoch", max(train // 16, 1)) if form == "folder" else ("iter", 1)
        command = f"tools/train.py {config} --data-root {root}/shapes/{form} --work-dir {root}/{name} --resume {more}"
        command += f" train_cfg.max_{unit}s={length} train_cfg.val_interval={length}"
        if unit == "epoch":
            command += f" param_scheduler.end={length}"
        else:
            command += f" param_scheduler.0.end={length} param_scheduler.0.warmup={max(length // 5, 1)}"
            every = min(max(length // 20, 1), 10)  # for a curve
            command += f" default_hooks.checkpoint.interval=50 default_hooks.logger.interval={every}"
        return step(name, title, command, seconds, f"{unit}_{length}.pth", needs, Path(config), length * batches)

    def find(model: Step, images: str, more: str) -> Step:
        """What a model finds in unseen images."""
        name, title = f"{model.name}_found", model.title.replace("Fine-tune a", "Try the")
        command = f"{infer} {root}/{model.name}/{model.makes} {root}/shapes/{images} --num-images 8 {more}"
        return step(name, title, f"{command} --json {root}/{name}/found.json", 8, "found.json", (model,))

    check = step("environment", "Look at the environment", "tools/misc/check_env.py --require core,det,seg", 12)
    command = f"tools/dataset_converters/generate_shapes.py {root}/shapes --num-train {train} --num-val {val}"
    data = step("shapes", "Generate images", f"{command} --size 64 64 --easy --classes {classes}", 12, "shapes.json")
    seconds = 8 + 0.0083 * train * epochs
    mirl = fit("pretrain", "Pre-train with MIRL", seconds, "folder", epochs, (check, data), "--cfg-options")
    command = f"{infer} {checkpoint} {root}/shapes/folder/val --num-images 5 --out-dir {root}/reconstruction"
    draw = step("reconstruction", "Fill in unseen images", command, 6, "reconstruction.png", (mirl,))
    command = f"tools/analysis_tools/depth_probe.py {checkpoint} --labels MIRL --random --workers 0 --num-train 1000"
    command += f" --data-root {root}/shapes/folder --out-dir {root}/depth_probe --depths"
    command += "".join(f" {depth}" for depth in range(0, 25, 2))
    probe = step("depth_probe", "Probe each depth", command, 22, "depth_probe.json", (mirl,))

    tuned = {}
    weights = f"loss_decode.class_weight={[0.6, *[1.0] * len(CLASSES)]}".replace(" ", "")  # the config's, for fewer
    for start, name in STARTS.items():
        needs, more = ((data, mirl), f"--pretrained {checkpoint} ") if start == "mirl" else ((data,), "")
        more += f"--classes {classes} --cfg-options"
        less = f"{more} train_dataloader.batch_size=8"  # more updates in the same time
        boxes = fit(f"det_{start}", f"Fine-tune a detector from {name}", 27 + 0.31 * det, "coco", det, needs, less)
        both = more.replace("--classes", "--classes background")
        both += f" model.decode_head.{weights} model.auxiliary_head.{weights}"
        masks = fit(f"seg_{start}", f"Fine-tune a segmentor from {name}", 17 + 0.27 * seg, "ade", seg, needs, both)
        more += f" param_scheduler.warmup={0.1 / cls}"  # a share of the epochs: a tenth of one
        label = fit(f"cls_{start}", f"Fine-tune a classifier from {name}", 10 + 43 * cls, "folder", cls, needs, more)
        objects = find(boxes, "coco/val2017", "--score-thr 0.5")
        regions = find(masks, "ade/images/validation", f"--masks {root}/seg_{start}_found/masks")
        tuned[start] = [boxes, objects, masks, regions, label]
    return [check, data, mirl, draw, *tuned["mirl"], probe, *tuned["random"]]
