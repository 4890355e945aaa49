"""Which iterations the log has a line about."""

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner


def next_line(runner: Runner, batch_idx: int) -> int | None:
    """Iterations from this one to the next that the log has a line about: 0 for this one itself, None if none is known.

    What is costly to measure is measured where this says that it will be shown. The rule is that of mmengine's
    ``LoggerHook.after_train_iter``: a line at each multiple of its interval within the epoch, and, where an epoch is no
    longer than the interval or ``ignore_last`` is off, at the epoch's end.

    Args:
        runner: In training.
        batch_idx: Number of the iteration, from 0: in the epoch, or of the training where it counts iterations.
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
