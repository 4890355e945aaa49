"""A hook for runs that are to be interrupted in a step."""

import time

from mmengine.hooks import Hook

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class SlowSteps(Hook):
    """Sleeps in every step from the iteration ``since`` on."""

    def __init__(self, seconds: float, since: int = 0) -> None:
        self.seconds, self.since = seconds, since

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter >= self.since:
            time.sleep(self.seconds)
