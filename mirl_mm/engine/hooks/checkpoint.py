"""Checkpoints that survive a kill at any instant."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner

from mirl_mm import stopping
from mirl_mm.disk_full import NoSpaceError
from mirl_mm.file_backend import write_file
from mirl_mm.registry import HOOKS

from ..disk_space import space_warning
from ..validation_record import Validations
from .loss_info import LossInfoHook


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, safe against a kill at any instant, by default as often as there is a validation.

    mmengine removes the oldest checkpoint before it writes the newest, writes in place, and rewrites
    ``last_checkpoint`` in place. Here a checkpoint is written beside its place and renamed, then ``last_checkpoint``
    likewise, and only then are outdated ones removed; the same for the best ones. What a killed writer left half-done
    is removed when the next run starts.

    The validation that was to follow a checkpoint, and was cut off, is caught up on when the run is resumed
    (:class:`~mirl_mm.engine.validation_record.Validations`). A training by iterations that is stopped by a signal
    (:mod:`mirl_mm.stopping`) writes one more checkpoint at its next update, if there is time.

    Args:
        interval: Epochs, or iterations if not ``by_epoch``, from one checkpoint to the next; None: ``val_interval`` of
            the training loop. There is one at the end, too; -1: only there.
        **kwargs: As mmengine's; ``backend_args`` defaults to the atomic local backend.
    """

    file_backend: Any
    interval: Any
    _validations: Validations | None = None
    #: Seconds that the last checkpoint took.
    _seconds = 0.0

    def __init__(self, interval: int | None = None, **kwargs: Any) -> None:
        if kwargs.get("backend_args") is None and kwargs.get("file_client_args") is None:
            kwargs["backend_args"] = {"backend": "atomic_local"}
        super().__init__(interval, **kwargs)

    def before_run(self, runner: Runner) -> None:
        """Take the validation's interval, if there is none of its own."""
        if self.interval is None and runner._train_loop is not None:
            self.interval = runner.train_loop.val_interval

    def before_train(self, runner: Runner) -> None:
        """As mmengine's; also clears half-written files of a killed run.

        Raises:
            ValueError: If the best is to be chosen by the average of the weights, and none is kept.
        """
        super().before_train(runner)
        key = next((key for key in getattr(self, "key_indicators", ()) if str(key).startswith("ema/")), None)
        if key and runner.val_loop is not None and not any(hasattr(hook, "ema_model") for hook in runner.hooks):
            raise ValueError(
                f"default_hooks.checkpoint.save_best={key!r} needs the average of the weights: put "
                f"dict(type='ModelEMAHook') into custom_hooks, or set save_best={key.removeprefix('ema/')!r}"
            )
        if is_main_process():
            for pattern in ("*.pth.tmp*", "last_checkpoint.tmp*"):
                for path in Path(str(self.out_dir)).glob(pattern):
                    path.unlink(missing_ok=True)
            warning = space_warning(runner, self)
            if warning:
                runner.logger.warning(warning)
        resumed = runner.resumed_from
        stopping.set_checkpoint(resumed)
        if resumed is not None and Path(resumed).resolve().parent == Path(str(self.out_dir)).resolve():
            self.last_ckpt = resumed  # to be written again, if its validation is the best
        self._saves_at_updates = isinstance(runner.train_loop, IterBasedTrainLoop) and not self.by_epoch
        # the parts of a model that is shared out would have to come together first
        self._saves_at_updates &= runner.world_size == 1 or is_model_wrapper(runner.model)
        self._validations = Validations(str(self.out_dir))
        self._validations.begin(runner, None if resumed is None else Path(resumed).parent)
        stopping.set_reaching(self._saves_at_updates)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """As mmengine's; also saves and ends if a signal asked for it."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        done = runner.iter + 1
        if not (stopping.is_requested() and self._saves_at_updates and is_main_process()):
            return
        if done % runner.optim_wrapper._accumulative_counts:
            return  # gradients between two updates are not in a checkpoint
        if self._seconds < stopping.time_left():
            for hook in runner.hooks:
                if isinstance(hook, LossInfoHook):
                    hook.after_train_epoch(runner)
            self._save_checkpoint(runner)
        stopping.finish()

    def before_val(self, runner: Runner) -> None:
        """A validation that is cut off is done again: nothing is to wait for."""
        stopping.set_reaching(False)

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """As mmengine's; also notes what was measured."""
        if self._validations is not None:
            self._validations.note(runner, metrics)
        super().after_val_epoch(runner, metrics)

    def after_val(self, runner: Runner) -> None:
        """Write down that the validation is done."""
        if self._validations is not None:
            self._validations.finish()
            stopping.set_reaching(self._saves_at_updates)

    def after_train(self, runner: Runner) -> None:
        """As mmengine's."""
        stopping.set_reaching(False)
        super().after_train(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        begun = time.monotonic()
        with stopping.writing(), self._telling_what_is_safe():
            self._write_checkpoint(runner, step, meta)
            stopping.set_checkpoint(self.last_ckpt)
            self._seconds = time.monotonic() - begun

    def _write_checkpoint(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = self._rotate(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_file(Path(runner.work_dir) / "last_checkpoint", self.last_ckpt)
            for old in outdated:
                path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old))
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    @contextlib.contextmanager
    def _telling_what_is_safe(self) -> Iterator[None]:
        before = self.last_ckpt
        try:
            yield
        except NoSpaceError as error:
            if "--resume" in str(error):
                raise
            safe = f"{before} is whole: go on from it with --resume" if before else "There was no checkpoint yet"
            raise NoSpaceError(f"{error}. {safe}") from error

    def _rotate(self, runner: Runner, step: int) -> list[int]:
        """Enter ``step`` among the kept ones; returns the steps that are outdated once it is saved."""
        outdated: list[int] = []
        if self.max_keep_ckpts > 0 and not (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            while len(self.keep_ckpt_ids) >= self.max_keep_ckpts:
                outdated.append(self.keep_ckpt_ids.popleft())
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        return outdated

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        outdated: list[str] = []
        self.file_backend.remove = outdated.append  # they go when the new one is there
        try:
            with self._telling_what_is_safe():
                super()._save_best_checkpoint(runner, metrics)
        finally:
            del self.file_backend.remove
        for path in outdated:
            self.file_backend.remove(path)
