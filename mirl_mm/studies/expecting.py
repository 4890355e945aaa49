"""How long a depth study's steps take, from the measured speed of a few steps of each config."""

import json

from mmengine.config import Config

from mirl_mm.analysis.scaling import flops_per_image
from mirl_mm.config import read_config
from mirl_mm.engine.launch import set_data_root

from .budget import correct
from .depth import DepthStudy

#: Seconds that a tool takes to start and to end, roughly: imports, first batch, checkpoints.
START = 15.0
#: The linear classifier's passes over the features of a depth, roughly: six penalties of some hundred iterations.
_PASSES = 6 * 150


def expect(study: DepthStudy) -> None:
    """Set each step's ``seconds``.

    A pre-training's follow from the measured images per second; a fine-tuning's and a probe's from their operations, at
    the operations per second of that pre-training. What is validated counts as a third of what is trained, as
    there is no backward pass. Where steps of a kind have been done already, theirs counts.
    """
    train, val = study.images
    classifiers: dict[int, Config] = {}
    flops: dict[int, float] = {}
    for (part, method, depth, _), step in study.steps.items():
        if step.done:
            step.seconds = step.wall or step.seconds
            continue
        speed = json.loads((study.speed[method, depth].folder / "speed.json").read_text())
        measured = next(iter(speed["variants"].values()))
        if depth not in classifiers:
            classifiers[depth] = cls = read_config(study.config("cls", depth))
            set_data_root(cls, study.data_root)
            flops[depth] = flops_per_image(cls)
        cls, tuned = classifiers[depth], flops[depth] / measured["flop_per_s"]  # seconds an image
        if part == "probe":
            width, classes, depths = study.width, cls.model.head.num_classes, depth + 1
            encoders = 2 if method == study.methods[0] else 1  # with random weights
            fits = depths * _PASSES * 6 * train * width * classes / measured["flop_per_s"]
            step.seconds = START + encoders * ((train + val) * tuned / 3 + fits)
            continue
        cfg = cls if part == "finetune" else read_config(study.config(study.known[method].config, depth))
        epochs = study.length(part, method, cfg)
        validated = epochs // cfg.train_cfg.val_interval * val * (2 if part == "finetune" else 1)  # and the average
        each = tuned if part == "finetune" else 1 / measured["images_per_s"]
        step.seconds = START + each * (epochs * train + validated / 3)
    correct(list(study.steps.values()))
