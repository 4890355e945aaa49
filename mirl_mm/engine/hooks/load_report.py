"""Weights of any origin for the runner, a report of what they brought, and a refusal of another model's."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.report import LoadReport, compare
from mirl_mm.checkpoint.resume import read_whole
from mirl_mm.models.backbones.pretrained import FromPretrained, fit
from mirl_mm.registry import HOOKS

from ..resuming import find_resumed
from ..schedulers import check_resumed
from .bare import bare_model

#: What stands before a path that :func:`read_any` is to read, in place of mmengine, which would unpickle it.
SCHEME = "weights:"
#: Likewise for :func:`read_whole`.
RESUME = "resume:"
#: Layers that score the classes: those of mmdet's heads on regions, of GFL and of mmseg's heads.
_CLASS_LAYERS = ("fc_cls.weight", "gfl_cls.weight", "conv_seg.weight")


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_any(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read ``weights:PATH`` for mmengine, whose loaders have this signature and a name that begins like this."""
    weights = read_any(filename.removeprefix(SCHEME))
    checkpoint: dict[str, Any] = {"weights": weights, "state_dict": weights.state}
    return checkpoint | ({} if weights.ema_state is None else {"ema_state_dict": weights.ema_state})


@CheckpointLoader.register_scheme(prefixes=RESUME)
def load_from_run(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read ``resume:PATH`` for mmengine."""
    return read_whole(filename.removeprefix(RESUME), map_location)


@HOOKS.register_module()
class LoadReportHook(Hook):
    """Reads weights of any origin, and reports what of every checkpoint fits before anything is copied.

    - ``resume``: the checkpoint is a run's, read by :func:`mirl_mm.checkpoint.resume.read_whole`; the model must agree
      with it entirely. Files that ``init_cfg`` names are not read, as their weights would be overwritten.
    - A test: every file that :func:`mirl_mm.checkpoint.read_any` reads; the model must agree with it entirely.
    - ``load_from`` of a training: every such file. The backbone must fit, at least in part; a head for other classes
      is left out and starts anew, which is said in a warning.
    """

    priority = "HIGH"  # before mmengine's EMAHook, which copies what this one has sorted out

    def before_run(self, runner: Runner) -> None:
        """See to it that ours read the checkpoint, and that a resumed run reads no other weights than its own."""
        path = runner._load_from
        if runner._resume:
            path = path or find_resumed(runner.work_dir)
        if not path:
            return
        scheme = RESUME if runner._resume else SCHEME
        runner._load_from = f"{scheme}{str(path).removeprefix(scheme)}"
        if runner._resume:
            skip_pretrained(runner.model)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the checkpoint with the model.

        Raises:
            ValueError: If the checkpoint is another model's, or doesn't fit the length of the training.
        """
        model = bare_model(runner)
        weights = checkpoint.pop("weights", None)
        path = str(runner._load_from or "the checkpoint").removeprefix(SCHEME).removeprefix(RESUME)
        if weights is not None and runner._train_loop is not None:
            what = f"{type(model).__name__} from {path}"
            checkpoint["state_dict"], _ = fit(model, weights, what, lambda line, level: runner.logger.log(level, line))
            return
        report = compare(model, checkpoint.get("state_dict", checkpoint))
        if runner._resume and runner._train_loop is not None:
            check_resumed(runner, checkpoint)
        if not report.complete:
            raise ValueError(
                f"can't {'resume' if runner._resume else 'test'} this model from {path}: {report}. "
                f"{_remedy(model, report)}"
            )
        runner.logger.info(f"checkpoint for {type(model).__name__}: {report}")


def skip_pretrained(model: nn.Module) -> None:
    """Let ``init_weights`` of every part read no file."""
    for module in model.modules():
        if isinstance(module, FromPretrained):
            module.skip_pretrained()


def _remedy(model: nn.Module, report: LoadReport) -> str:
    theirs, ours = report.mismatched.get("head.fc.weight", ((), ()))
    if theirs and theirs[1:] == ours[1:]:
        return f"Its head has {theirs[0]} classes, the model's {ours[0]}: set model.head.num_classes={theirs[0]}"
    classes = next((name for name in report.mismatched if name.endswith(_CLASS_LAYERS)), None)
    if classes is not None and not any(name.startswith("backbone.") for name in report.mismatched):
        background = classes.endswith("fc_cls.weight")  # mmdet's heads on regions have a class for it
        trained, wanted = (shape[0] - background for shape in report.mismatched[classes])
        return (
            f"Its heads have {trained} classes, the model's {wanted}: test it with its own classes, by metainfo="
            "dict(classes=(...)) in the data set's config; to train on from it for other classes, use --load-from"
        )
    return "It was written for another model: give the config with which it was trained"
