"""Whether a run's checkpoints will fit on their disk, before it starts."""

import resource
import shutil
from pathlib import Path
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor
from torch.optim import Optimizer

from mirl_mm.disk_full import size_text

from .hooks.unwrapped import unwrapped_model


def space_warning(runner: Runner, hook: Any) -> str | None:
    """What to say if the checkpoints of a run that is about to start won't fit; None if they will.

    Counted are those that are kept, one more, as a new one is written before an old one goes, and the best, of which
    there are two for a moment, too. What is there already from before an interruption counts as room.
    """
    folder = Path(str(hook.out_dir))
    if not folder.is_dir():  # storage of another kind
        return None
    whole, weights = checkpoint_sizes(runner)
    saves = _saves(runner, hook)
    kept = min(hook.max_keep_ckpts, saves) if hook.max_keep_ckpts > 0 else saves
    best = 2 * len(hook.save_best or ()) if runner.val_loop is not None else 0
    room = shutil.disk_usage(folder).free + sum(path.stat().st_size for path in _own_files(folder, hook))
    need = (kept + 1) * whole + best * weights
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and limit < whole:
        return (
            f"a checkpoint of this run has {size_text(whole)}, and a file may have {size_text(limit)} here: the first "
            "one will stop the run; raise the limit (ulimit -f)"
        )
    if need <= room:
        return None
    parts = f"{kept + 1} of {size_text(whole)}" + (f", {best} of the best of {size_text(weights)}" if best else "")
    return (
        f"the checkpoints of this run need {size_text(need)} ({parts}), and '{folder}' has room for {size_text(room)}: "
        "a full disk will stop the run; make room, or lower default_hooks.checkpoint.max_keep_ckpts"
    )


def checkpoint_sizes(runner: Runner) -> tuple[int, int]:
    """Bytes of tensors in a checkpoint, with the optimiser's state and without; what else is in it is small.

    A fresh optimiser has no state yet: Adam's relatives, known by their ``betas``, will have two values for each
    parameter that is trained, those with a ``momentum`` one.
    """
    weights = _bytes(unwrapped_model(runner).state_dict().values())
    weights += sum(_bytes(hook.ema_model.state_dict().values()) for hook in runner.hooks if hasattr(hook, "ema_model"))
    wrappers = (
        runner.optim_wrapper.values() if isinstance(runner.optim_wrapper, OptimWrapperDict) else [runner.optim_wrapper]
    )
    return weights + sum(_state_size(wrapper.optimizer) for wrapper in wrappers), weights


def _state_size(optimizer: Optimizer) -> int:
    if optimizer.state:
        return sum(_bytes(values.values()) for values in optimizer.state.values())
    size = 0
    for group in optimizer.param_groups:
        copies = 2 if "betas" in group else 1 if group.get("momentum") else 0
        size += copies * _bytes(each for each in group["params"] if each.requires_grad)
    return size


def _bytes(values: Any) -> int:
    return sum(value.numel() * value.element_size() for value in values if isinstance(value, Tensor))


def _saves(runner: Runner, hook: Any) -> int:
    """Checkpoints that the rest of the run writes."""
    loop = runner.train_loop
    by_epoch = hook.by_epoch and isinstance(loop, EpochBasedTrainLoop)
    left = loop.max_epochs - runner.epoch if by_epoch else loop.max_iters - runner.iter
    return max(-(-left // hook.interval), 1) if hook.interval and hook.interval > 0 else 1


def _own_files(folder: Path, hook: Any) -> list[Path]:
    """Checkpoints of before an interruption that newer ones will take the place of."""
    if hook.max_keep_ckpts <= 0:
        return []
    files = [folder / hook.filename_tmpl.format(step) for step in hook.keep_ckpt_ids]
    files += folder.glob("best_*.pth") if hook.save_best else []
    return [path for path in files if path.is_file()]
