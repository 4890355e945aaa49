"""Checkpoints that survive a kill at any instant."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mirl_mm.file_backend import AtomicLocalBackend
from mirl_mm.registry import HOOKS


class _LaterRemoval:
    """A file backend whose removals are noted and done at the end."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._noted: list[tuple[Any, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._noted.append((self._backend.remove, path))

    def rmtree(self, path: str) -> None:
        self._noted.append((self._backend.rmtree, path))

    def finish(self) -> None:
        for remove, path in self._noted:
            remove(path)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, safe against a kill at any instant, by default as often as there is a validation.

    mmengine removes the oldest checkpoint before it writes the newest, writes in place, and rewrites
    ``last_checkpoint`` in place. Here a checkpoint is written beside its place and renamed, then ``last_checkpoint``
    likewise, and only then are outdated ones removed; the same for the best ones. What a killed writer left half-done
    is removed when the next run starts.

    Args:
        interval: Epochs, or iterations if not ``by_epoch``, from one checkpoint to the next; None: ``val_interval`` of
            the training loop. There is one at the end, too; -1: only there.
        **kwargs: As mmengine's; ``backend_args`` defaults to the atomic local backend.
    """

    file_backend: Any
    interval: Any

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

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
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
            AtomicLocalBackend().put_text(self.last_ckpt, Path(runner.work_dir) / "last_checkpoint")
            for old in outdated:
                path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old))
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

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
        backend = self.file_backend
        self.file_backend = later = _LaterRemoval(backend)
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            self.file_backend = backend
        later.finish()
