"""Trainings for the campaigns: small, validated, with an average of the weights, accumulated gradients and a best."""

from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from mirl_mm.shapes import generate
from tests.stress.runs import start, start_two
from tests.training import small_classifier, write_class_folders


class Job(NamedTuple):
    """A training, and the same one uninterrupted.

    Attributes:
        config: Its file.
        whole: Work dir of the uninterrupted run.
        iters: Iterations of an epoch; 1 for a training that counts iterations.
        two: Whether it has two processes.
    """

    config: Path
    whole: Path
    iters: int
    two: bool = False

    def begin(self, work_dir: Path, log: Path, before=lambda: None, *more: str):
        """Start or go on; a list of processes."""
        arguments = [self.config, "--work-dir", work_dir, "--resume", *more]
        return start_two(arguments, log, before) if self.two else [start(arguments, log, before)]

    def log(self, log: Path) -> Path:
        """The log of the first process."""
        return log.with_suffix(".0.log") if self.two else log


def finish(job: Job, work_dir: Path, log: Path) -> int:
    """Run to the end; the sum of the exit codes' sizes."""
    return sum(abs(process.wait()) for process in job.begin(work_dir, log))


def classifier(folder: Path, epochs: int = 8, two: bool = False) -> Job:
    """A classifier by epochs of five iterations (two processes: three), updates of two."""
    root = write_class_folders(folder / "data", 20 if not two else 12, 9)
    cfg = small_classifier(
        root,
        folder / "whole",
        train_cfg__max_epochs=epochs,
        param_scheduler__end=epochs,
        optim_wrapper__accumulative_counts=2,
        train_dataloader__batch_size=2 if two else 4,
    )
    cfg.default_hooks.checkpoint.update(max_keep_ckpts=2, save_best="ema/accuracy/top1", rule="greater")
    return _whole(cfg, folder, 3 if two else 5, two)


def detector(folder: Path, iters: int = 24) -> Job:
    """A detector by iterations, a checkpoint every two, updates of two, a validation every four."""
    from tests.detection.small import small_detector  # needs mmdet

    generate(folder / "data", num_train=6, num_val=4, size=(64, 64), layouts=("coco",), workers=1)
    cfg = small_detector(
        folder / "data/coco",
        folder / "whole",
        train_cfg__max_iters=iters,
        optim_wrapper__accumulative_counts=2,
    )
    cfg.default_hooks.checkpoint.update(save_best="ema/coco/bbox_mAP", rule="greater")
    cfg.custom_hooks = [{"type": "mirl_mm.ModelEMAHook", "momentum": 0.01}]
    cfg.val_cfg = {"type": "mirl_mm.EMAValLoop"}
    return _whole(cfg, folder, 1)


def _whole(cfg: Config, folder: Path, iters: int, two: bool = False) -> Job:
    cfg.dump(folder / "config.py")
    job = Job(folder / "config.py", folder / "whole", iters, two)
    code = finish(job, job.whole, folder / "whole.log")
    if code:
        raise RuntimeError(f"the uninterrupted run failed: {job.log(folder / 'whole.log')}")
    return job
