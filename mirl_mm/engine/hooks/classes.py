"""Do the images' classes and the model's agree?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from mirl_mm.datasets.class_names import check_order, compare_classes, differing_labels
from mirl_mm.registry import HOOKS
from mirl_mm.text import counted, shortlist

from .unwrapped import unwrapped_model

_OTHER_NAMES = (
    "The figures are right only if the same things are meant. If not, test with the data and classes of the training"
)
_ANOTHER_HEAD = (
    "The head starts with what it learnt of the checkpoint's. If other things are meant, start from the backbone "
    "alone, by --pretrained in place of --load-from"
)


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Refuses data whose classes don't fit the model, before it trains or is tested.

    A model with a method ``check_data_sets``, as :class:`~mirl_mm.ImageClassifier` has, compares them itself; its data
    must have the classes with which a checkpoint was trained, in the same order. It is also warned of a backbone that
    starts from random weights.

    For other models, such as detectors and segmentors, the names of the data's classes are compared with those kept in
    the checkpoint, where their numbers agree (where not, the runner says it): another order is refused, other
    names are warned of, since things may be called otherwise in another data set. A training that starts from a
    checkpoint (``load_from``) is warned of a head for other classes, whatever the model is.
    """

    priority = "VERY_HIGH"  # before others begin anything

    def before_run(self, runner: Runner) -> None:
        """Let a model that labels whole images compare the data sets with its head and with each other.

        Raises:
            ValueError: If they don't agree.
        """
        model: Any = unwrapped_model(runner)
        if not hasattr(model, "check_data_sets"):
            return
        model.check_data_sets(dict(_datasets(runner)), runner.logger.warning)
        if runner.is_training and not model.backbone.init_cfg and runner._load_from is None:
            runner.logger.warning(
                "the backbone starts from RANDOM weights: give tools/train.py --pretrained CHECKPOINT to start from a "
                "pre-training"
            )

    def before_load_checkpoint(self, runner: Runner, meta: Mapping[str, Any]) -> None:
        """Compare the data set that is tested, or trained on further, with the classes in a checkpoint's ``meta``.

        Raises:
            ValueError: If they don't agree.
        """
        trained = (meta.get("dataset_meta") or {}).get("classes")
        starts_anew = runner.is_training and not runner.resumed_from
        for name, dataset in _datasets(runner):
            classes = _metainfo(dataset).get("classes")
            if not trained or classes is None:
                continue
            if starts_anew:
                _warn(runner, name, classes, trained, _ANOTHER_HEAD)
                return
            if hasattr(unwrapped_model(runner), "check_data_sets"):
                compare_classes(name, classes, "the checkpoint", trained)
            elif sorted(classes) == sorted(trained):
                check_order(name, classes, trained)
            else:
                _warn(runner, name, classes, trained, _OTHER_NAMES)


def _datasets(runner: Runner) -> Iterator[tuple[str, Any]]:
    """Names of the data loaders that this run uses, and their data sets; that of the training first."""
    for name in ("train", "val", "test"):
        loop = getattr(runner, f"_{name}_loop")
        if isinstance(loop, BaseLoop):
            yield f"{name}_dataloader", loop.dataloader.dataset


def _metainfo(dataset: Any) -> dict:
    return getattr(dataset, "metainfo", None) or {}


def _warn(runner: Runner, name: str, classes: Sequence[str], trained: Sequence[str], advice: str) -> None:
    """Warn of as many classes with other names."""
    differing = differing_labels(classes, trained) if len(classes) == len(trained) else []
    if differing:
        runner.logger.warning(
            f"{len(differing)} of {counted(len(classes), 'class', 'classes')} of {name} are OTHER ones than the "
            f"checkpoint's: {shortlist(differing, 3)}. {advice}"
        )
