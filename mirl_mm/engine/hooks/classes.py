"""Do the images' classes and the model's agree?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from mirl_mm.models import ImageClassifier
from mirl_mm.registry import HOOKS
from mirl_mm.text import shortlist

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

    For an ``ImageClassifier`` every data set needs labels, as many classes as the head has, and the same classes in the
    same order as the training data, those with which a checkpoint was trained included. Images of a single class pass
    with a warning, whatever the head has: nothing can be learnt from them, but a recipe can be tried out. It also warns
    of a backbone that starts from random weights.

    For other models, such as detectors and segmentors, the names of the data's classes are compared with those kept in
    the checkpoint, where their numbers agree (where not, the runner says it): another order is refused, other
    names are warned of, since things may be called otherwise in another data set. A training that starts from a
    checkpoint (``load_from``) is warned of a head for other classes, whatever the model is.
    """

    priority = "VERY_HIGH"  # before others begin anything

    def before_run(self, runner: Runner) -> None:
        """Compare the data sets with the head and with each other.

        Raises:
            ValueError: If they don't agree.
        """
        model = _classifier(runner)
        if model is None:
            return
        first: tuple[str, Sequence[str]] | None = None
        for name, dataset in _datasets(runner):
            classes = _classes(name, dataset, model.head.num_classes, first)
            if first is None and classes is not None:
                first = name, classes
                if len(classes) == 1 < model.head.num_classes:
                    runner.logger.warning(
                        f"all images are of ONE class, '{classes[0]}', of the head's {model.head.num_classes}: nothing "
                        "can be learnt, this only tries the recipe out"
                    )
        if runner.is_training and not model.backbone.init_cfg and runner._load_from is None:
            runner.logger.warning(
                "the backbone starts from RANDOM weights: give tools/train.py --pretrained CHECKPOINT to start from a "
                "pre-training"
            )

    def before_load_checkpoint(self, runner: Runner, meta: Mapping[str, Any]) -> None:
        """Compare the data set that is tested, or trained on further, with the classes kept in the checkpoint.

        Args:
            runner: Of :class:`mirl_mm.engine.Runner`, which calls this.
            meta: What the checkpoint says of itself.

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
            if _classifier(runner) is not None:
                _compare(name, classes, "the checkpoint", trained)
            elif sorted(classes) == sorted(trained):
                _check_order(name, classes, trained)
            else:
                _warn(runner, name, classes, trained, _OTHER_NAMES)


def _classifier(runner: Runner) -> ImageClassifier | None:
    model = unwrapped_model(runner)
    return model if isinstance(model, ImageClassifier) else None


def _datasets(runner: Runner) -> Iterator[tuple[str, Any]]:
    """Names of the data loaders that this run uses, and their data sets; that of the training first."""
    for name in ("train", "val", "test"):
        loop = getattr(runner, f"_{name}_loop")
        if isinstance(loop, BaseLoop):
            yield f"{name}_dataloader", loop.dataloader.dataset


def _metainfo(dataset: Any) -> dict:
    return getattr(dataset, "metainfo", None) or {}


def _classes(
    name: str, dataset: Any, num_classes: int, first: tuple[str, Sequence[str]] | None
) -> Sequence[str] | None:
    """The data set's class names, if they are known, after checking them and its labels."""
    root = getattr(dataset, "root", type(dataset).__name__)
    labels: Any = getattr(dataset, "labels", ())
    if labels is None:
        raise ValueError(
            f"{name}: the images in '{root}' are unlabelled, and a classifier needs labels: set {name}.dataset."
            "labelled=True, with one sub-folder per class"
        )
    classes = _metainfo(dataset).get("classes")
    if classes is not None:
        if first is not None:
            _compare(name, classes, *first)
        if len(classes) not in (1, num_classes):
            raise ValueError(
                f"{name}: '{root}' has {_count(classes)} ({shortlist(classes, 3)}), but the model's head has "
                f"{num_classes}: set model.head.num_classes={len(classes)} (by --cfg-options or in the config), or "
                "give the right folder by --data-root"
            )
    elif len(labels) and labels.max() >= num_classes:
        raise ValueError(
            f"{name}: there is a label {labels.max()}, but the model's head has classes 0..{num_classes - 1}: set "
            f"model.head.num_classes={labels.max() + 1}, or correct the list"
        )
    return classes


def _compare(name: str, classes: Sequence[str], other: str, theirs: Sequence[str]) -> None:
    """Raises a ValueError unless both are the same classes in the same order."""
    if tuple(classes) == tuple(theirs):
        return
    lacks = [each for each in theirs if each not in set(classes)]
    more = [each for each in classes if each not in set(theirs)]
    what = [f"it lacks {len(lacks)}: {shortlist(lacks, 3)}"] * bool(lacks)
    what += [f"{len(more)} are new: {shortlist(more, 3)}"] * bool(more)
    if not what:
        what = [f"their order differs, {_differing(classes, theirs)[0]}"]
    raise ValueError(
        f"{name} has {_count(classes)}, and {other} has {len(theirs)}: {'; '.join(what)}. Labels count the class "
        f"folders by name, so all must have the same; rename or add folders, or name the classes in their order by "
        "classes in the data set's config"
    )


def _differing(classes: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """What labels mean in as many classes, where they mean two things."""
    pairs = enumerate(zip(classes, theirs, strict=True))
    return [f"label {label} is '{here}' here and '{there}' there" for label, (here, there) in pairs if here != there]


def _check_order(name: str, classes: Sequence[str], trained: Sequence[str]) -> None:
    """Raises a ValueError if the classes of the checkpoint come in another order."""
    differing = _differing(classes, trained)
    if differing:
        raise ValueError(
            f"{name} has the checkpoint's classes in another order: {shortlist(differing, 3)}. Set "
            "metainfo=dict(classes=(...)) in the data set's config to their order in the training"
        )


def _warn(runner: Runner, name: str, classes: Sequence[str], trained: Sequence[str], advice: str) -> None:
    """Warn of as many classes with other names."""
    differing = _differing(classes, trained) if len(classes) == len(trained) else []
    if differing:
        runner.logger.warning(
            f"{len(differing)} of {_count(classes)} of {name} are OTHER ones than the checkpoint's: "
            f"{shortlist(differing, 3)}. {advice}"
        )


def _count(classes: Sequence[str]) -> str:
    return f"{len(classes)} {'class' if len(classes) == 1 else 'classes'}"
