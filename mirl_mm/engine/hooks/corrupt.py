"""A count of images that could not be read."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class CorruptImageHook(Hook):
    """Logs how many unreadable images were replaced (``on_corrupt='skip'`` of the data set), and their names once.

    The data set, which runs in other processes, writes the files it had to skip into the ``skipped`` field of the
    sample that took their place.
    """

    def __init__(self) -> None:
        self.files: set[str] = set()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Collect this batch's skipped files."""
        for sample in data_batch.get("data_samples", []):
            for path in getattr(sample, "skipped", ()):
                if path not in self.files:
                    self.files.add(path)
                    runner.logger.warning(f"skipped an unreadable image: {path} ({len(self.files)} so far)")
        if self.files:
            runner.message_hub.update_scalar("train/corrupt", len(self.files))
