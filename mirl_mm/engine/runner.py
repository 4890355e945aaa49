"""mmengine's runner with our way of taking weights."""

from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner as BaseRunner
from torch import nn

from mirl_mm.checkpoint import Exact, Weights, load_into, read_any
from mirl_mm.checkpoint.load_into_model import Policy, State
from mirl_mm.checkpoint.load_report import LoadReport
from mirl_mm.checkpoint.training_state import read_whole
from mirl_mm.models.backbones.pretrained import Start, skip_pretrained
from mirl_mm.registry import RUNNERS

from .console import shorten_console
from .hooks.unwrapped import unwrapped_model
from .resume_checkpoint import find_resumed
from .schedulers import check_resumed


@RUNNERS.register_module()
class Runner(BaseRunner):
    """mmengine's ``Runner``; it reads weights of any origin, and reports of every file what fits before it is copied.

    - ``resume``: the checkpoint is a run's, read by :func:`mirl_mm.checkpoint.training_state.read_whole`; the model
      must agree with it entirely. Files that ``init_cfg`` names are not read, as their weights would be overwritten.
    - A test: every file that :func:`mirl_mm.checkpoint.read_any` reads; the model must agree with it entirely.
    - ``load_from`` of a training: every such file. The backbone must fit, at least in part; a head for other classes
      is left out and starts anew, which is said in a warning.

    Hooks may have a method ``before_load_checkpoint(runner, meta)``, which is called with what the file says of itself
    before it is compared with the model. The log file has everything, the console what whoever watches needs:
    :mod:`.console`.
    """

    _load_from: str | None
    _has_loaded: bool

    @property
    def is_training(self) -> bool:
        """Whether it trains, rather than test alone."""
        return self._train_loop is not None

    @property
    def resumed_from(self) -> str | None:
        """The checkpoint from which the training goes on, once that has been looked for."""
        return self._load_from if self._resume and self.is_training else None

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """As mmengine's; pages of environment, config, hooks and parameter groups go to the log file only."""
        return shorten_console(super().build_logger(*args, **kwargs))

    def train(self) -> nn.Module:
        """As mmengine's; where it goes on without being told from what, it looks for the last checkpoint first."""
        if self._resume:
            self._load_from = self._load_from or find_resumed(self.work_dir)
        return super().train()

    def _init_model_weights(self) -> None:
        if self.resumed_from:
            skip_pretrained(self.model)
        super()._init_model_weights()

    def load_or_resume(self) -> None:
        """Take the weights that the config names, once."""
        if self._load_from and not self._has_loaded:
            take = self.resume if self.resumed_from else self.load_checkpoint
            take(self._load_from)
            self._has_loaded = True
            if self.resumed_from and 0 < self.max_iters <= self.iter:
                self.logger.warning(
                    f"{self._load_from} is the end of this training, and nothing is left to do. To train on, give "
                    "--epochs or --iters, as the config counts, a larger number"
                )

    def load_checkpoint(self, filename: str, map_location: Any = "cpu", *_: Any, **__: Any) -> dict:
        """Load a file into the model, and tell the hooks.

        Args:
            filename: The file.
            map_location: Where the tensors of a resumed run go; others are read on the CPU.

        Returns:
            The table that the hooks were given: ``meta``, ``state_dict``, ``ema_state_dict`` if the file has an
            average, and of a resumed run all else.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it can't be read, is another model's, or doesn't fit the length of the training.
        """
        model = unwrapped_model(self)
        checkpoint: dict[str, Any]
        if self.resumed_from:
            checkpoint = read_whole(filename, map_location)
            weights = Weights(checkpoint["state_dict"], meta=checkpoint["meta"])
        else:
            weights = read_any(filename)
            checkpoint = {"meta": weights.meta}
            if weights.ema_state is not None:
                checkpoint["ema_state_dict"] = weights.ema_state
        self.call_hook("before_load_checkpoint", meta=weights.meta)
        if self.resumed_from:
            check_resumed(self, checkpoint)

        def tell_hooks(state: State) -> State:
            checkpoint["state_dict"] = state
            self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
            return checkpoint["state_dict"]

        load_into(model, weights, self._policy(model, str(filename)), before_copy=tell_hooks)
        self._has_loaded = True
        self.logger.info(f"Load checkpoint from {filename}")
        return checkpoint

    def _policy(self, model: nn.Module, path: str) -> Policy:
        if self.is_training and not self.resumed_from:
            return Start(path, lambda line, level: self.logger.log(level, line))
        return exactly(
            model,
            f"can't {'resume' if self.resumed_from else 'test'} this model from {path}",
            lambda report: self.logger.info(f"checkpoint for {type(model).__name__}: {report}"),
        )


def exactly(model: nn.Module, refusal: str, accept: Any = None) -> Exact:
    """The policy of a run that tests or goes on; a refusal tells what to do."""
    return Exact(lambda report: f"{refusal}: {report}. {_remedy(model, report)}", accept=accept)


def _remedy(model: nn.Module, report: LoadReport) -> str:
    if not any(name.startswith("backbone.") for name in report.mismatched):
        for name in report.mismatched:
            counts = _class_counts(model, report, name)
            if counts is None:
                continue
            trained, wanted = counts
            if name.startswith("head."):
                return f"Its head has {trained} classes, the model's {wanted}: set model.head.num_classes={trained}"
            return (
                f"Its heads have {trained} classes, the model's {wanted}: test it with its own classes, by metainfo="
                "dict(classes=(...)) in the data set's config; to train on from it for other classes, use --load-from"
            )
    return "It was written for another model: give the config with which it was trained"


def _class_counts(model: nn.Module, report: LoadReport, name: str) -> tuple[int, int] | None:
    """Classes of the checkpoint and of the model, if a weight of another shape scores them, as the head around it says.

    Heads on regions, of mmdet, score the background as a class more.
    """
    theirs, ours = report.mismatched[name]
    if len(ours) < 2 or theirs[1:] != ours[1:]:
        return None
    part = name.rpartition(".")[0]
    while part:
        part = part.rpartition(".")[0]
        wanted = getattr(model.get_submodule(part), "num_classes", None)
        if isinstance(wanted, int):
            background = ours[0] - wanted
            return (theirs[0] - background, wanted) if background in (0, 1) else None
    return None
