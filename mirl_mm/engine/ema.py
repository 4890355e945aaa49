"""Exponential moving average (EMA) of the weights: kept, resumed, and evaluated beside the weights themselves."""

import copy
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import EMAHook, Hook
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import Runner, TestLoop, ValLoop
from mmengine.runner.checkpoint import weights_to_cpu
from torch import nn

from mirl_mm.registry import HOOKS, LOOPS, MODELS


@MODELS.register_module()
class WarmupEMA(ExponentialMovingAverage):
    """Average whose decay rises to ``1 - momentum``, so that the first weights are soon forgotten.

    The decay is ``min(1 - momentum, (1 + s) / (10 + s))`` with s the updates that the average has had, 0 at the first:
    the rule of MIRL's fine-tuning code (``ModelEMA`` in its ``util/ema.py``), which is that of TensorFlow's
    ``ExponentialMovingAverage(num_updates=s)``. The average then covers about a ninth of the updates so far, until its
    full length is reached; with a momentum of 2e-4 that takes 44,990 updates. Without a rise the first weights keep a
    share of ``(1 - momentum) ** s``: 0.94 after 300 updates at 2e-4.

    As mmengine has it, the first update copies the weights. MIRL's code starts with zeros and divides by a little less
    than is missing: the same at the first update, 1.5 % larger than ours after two, 0.06 % after 20, 0.014 % after 300.
    mmengine's ``MomentumAnnealingEMA(gamma=9)`` is one update behind this rule, with ``s / (9 + s)``.

    Args:
        **kwargs: mmengine's; ``momentum`` is 1 - the decay that is reached.
    """

    #: ``steps`` on the host: asking the device for it would wait for the device.
    _steps: int | None = None

    def update_parameters(self, model: nn.Module) -> None:
        """As mmengine's, with one operation for all parameters."""
        steps = int(self.steps) if self._steps is None else self._steps
        current = model.state_dict() if self.update_buffers else dict(model.named_parameters())
        pairs = [(average.data, current[name].data) for name, average in self.avg_parameters.items()]
        if steps == 0:
            averages, values = map(list, zip(*pairs, strict=True))
            torch._foreach_copy_(averages, values)
        elif steps % self.interval == 0:
            pairs = [(average, value.to(average.device)) for average, value in pairs if average.is_floating_point()]
            averages, values = map(list, zip(*pairs, strict=True))
            torch._foreach_lerp_(averages, values, max(self.momentum, 9 / (10 + steps // self.interval)))
        if not self.update_buffers:
            for average, source in zip(self.module.buffers(), model.buffers(), strict=True):
                average.copy_(source)
        self.steps += 1
        self._steps = steps + 1

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._steps = None


@HOOKS.register_module()
class ModelEMAHook(EMAHook):
    """mmengine's ``EMAHook`` for evaluating both: the weights and their average.

    It differs in four ways. The average moves at updates of the weights, not at every iteration, so gradient
    accumulation doesn't shorten it (as in the fine-tuning code of MIRL, BEiT and ConvNeXt). Its decay rises, see
    ``WarmupEMA``. Where mmengine swaps the average in for validation, ``EMAValLoop`` and ``EMATestLoop`` evaluate both.
    A test reads both from the checkpoint.

    As mmengine's, it saves the **average as ``state_dict``**, for use, and the weights themselves, to go on from, as
    ``ema_state_dict`` with the prefix ``module.``.

    Args:
        ema_type: Kind of average. mmengine's ``ExponentialMovingAverage`` has the full decay from the first update.
        **kwargs: mmengine's; above all ``momentum``, 1 - decay: ``momentum=2e-4`` averages with a decay of 0.9998.
    """

    #: Whether there is an average to evaluate.
    has_average = True

    def __init__(self, ema_type: str = "mirl_mm.WarmupEMA", **kwargs: Any) -> None:
        super().__init__(ema_type=ema_type, **kwargs)

    def before_run(self, runner: Runner) -> None:
        """Copy the model."""
        super().before_run(runner)
        self.ema_model.eval()

    def before_train(self, runner: Runner) -> None:
        """Refuse a validation that would leave out the average."""
        super().before_train(runner)
        _check_loop(runner.val_loop, "val_cfg", EMAValLoop)

    def before_test(self, runner: Runner) -> None:
        """Refuse a test that would leave out the average."""
        _check_loop(runner.test_loop, "test_cfg", EMATestLoop)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Move the average, if the weights moved."""
        if runner.optim_wrapper.should_update():
            super().after_train_iter(runner, batch_idx, data_batch, outputs)

    # nothing is swapped: the loops evaluate both
    before_val_epoch, after_val_epoch = Hook.before_val_epoch, Hook.after_val_epoch
    before_test_epoch, after_test_epoch = Hook.before_test_epoch, Hook.after_test_epoch

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """As mmengine's, with the average on the CPU, as all else in a checkpoint: a machine without GPU reads it."""
        super().before_save_checkpoint(runner, checkpoint)
        for name in ("state_dict", "ema_state_dict"):
            checkpoint[name] = weights_to_cpu(checkpoint[name])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the average from a checkpoint that is resumed or tested, and leave the weights in ``state_dict``.

        A training that starts from a checkpoint (``load_from``) starts a new average, with its first update.
        """
        tested = runner._train_loop is None
        if not (tested or runner._resume):
            return
        if "ema_state_dict" in checkpoint:
            self._swap_ema_state_dict(checkpoint)
            self.ema_model.load_state_dict(checkpoint["ema_state_dict"])
            return
        if tested:
            self.has_average = False
            runner.logger.info("the checkpoint has no average of the weights (EMA): the weights alone are evaluated")
        else:
            runner.logger.warning("the checkpoint has no average of the weights (EMA): a new one starts here")


class _PairedEvaluator(Evaluator):
    """Metrics of the weights, and those of their average under the prefix ``ema/`` if it was evaluated as well."""

    def __init__(self, evaluator: Evaluator, average: Evaluator) -> None:
        super().__init__(evaluator.metrics)
        self.dataset_meta = evaluator.dataset_meta
        average.dataset_meta = evaluator.dataset_meta
        for metric in average.metrics:
            metric.prefix = f"ema/{metric.prefix}" if metric.prefix else "ema"
        self.average = average
        self._has_average = False

    def process_average(self, data_samples: Any, data_batch: Any) -> None:
        self._has_average = True
        self.average.process(data_samples=data_samples, data_batch=data_batch)

    def evaluate(self, size: int) -> dict:
        metrics = super().evaluate(size)
        if self._has_average:
            metrics |= self.average.evaluate(size)
            self._has_average = False
        return metrics


class _EMALoop:
    """Evaluates each batch twice: with the weights, then with their average, if a hook keeps one.

    Both in one pass over the data, as images take longer to load than to classify. Metrics of the average have ``ema/``
    before their name: ``accuracy/top1`` and ``ema/accuracy/top1``.
    """

    runner: Runner
    evaluator: Any

    def __init__(self, runner: Runner, dataloader: Any, evaluator: Any, **kwargs: Any) -> None:
        average = runner.build_evaluator(copy.deepcopy(evaluator))
        super().__init__(runner, dataloader, evaluator, **kwargs)  # type: ignore[call-arg]
        self.evaluator = _PairedEvaluator(self.evaluator, average)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Evaluate a batch."""
        super().run_iter(idx, data_batch)  # type: ignore[misc]
        hook: Any = next((hook for hook in self.runner.hooks if isinstance(hook, ModelEMAHook)), None)
        if hook is not None and hook.has_average:
            self.evaluator.process_average(hook.ema_model.module.val_step(data_batch), data_batch)


@LOOPS.register_module()
class EMAValLoop(_EMALoop, ValLoop):
    """Validation of the weights and of their average, in one pass; arguments of mmengine's ``ValLoop``."""


@LOOPS.register_module()
class EMATestLoop(_EMALoop, TestLoop):
    """Test of the weights and of their average, in one pass; arguments of mmengine's ``TestLoop``."""


def _check_loop(loop: Any, key: str, kind: type) -> None:
    if loop is not None and not isinstance(loop, kind):
        raise ValueError(
            f"ModelEMAHook needs {key}=dict(type={kind.__name__!r}), which evaluates the average of the weights, too; "
            f"got {type(loop).__name__}"
        )
