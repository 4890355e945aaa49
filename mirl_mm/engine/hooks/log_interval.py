"""When the log is due."""

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner


def iters_until_log(runner: Runner, batch_idx: int) -> int | None:
    """Iterations until the next one that is logged: 0 for this one itself, None if none is known.

    What is costly to measure is measured where this says that it will be shown. The rule is that of mmengine's
    ``LoggerHook.after_train_iter``: a line at each multiple of its interval within the epoch, and, where an epoch is no
    longer than the interval or ``ignore_last`` is off, at the epoch's end.

    Args:
        runner: In training.
        batch_idx: Index of the iteration: in the epoch, or of the training where it counts iterations.
    """
    length = len(runner.train_dataloader)
    away: list[int] = []
    for hook in runner.hooks:
        if not isinstance(hook, LoggerHook):
            continue
        if hook.interval > 0:
            away.append(-(batch_idx + 1) % hook.interval)
        if batch_idx < length and (not hook.ignore_last or length <= hook.interval):
            away.append(length - 1 - batch_idx)
    return min(away, default=None)
