"""A plain Vision Transformer with a head: fine-tuned as a whole, or probed with the backbone frozen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from timm.data import Mixup
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from mirl_mm.datasets.class_names import compare_classes
from mirl_mm.models.backbones import FromPretrained, PlainBackbone
from mirl_mm.registry import MODELS
from mirl_mm.structures import DataSample
from mirl_mm.text import counted, shortlist

from .heads import LinearClsHead


@MODELS.register_module()
class ImageClassifier(FromPretrained, BaseModel):
    """Image classification.

    In training, images are erased in part, then mixed, both after normalisation and on the device, in the order of
    timm's loader. The number of classes stands in the head alone.

    Args:
        backbone: Config of a :class:`~mirl_mm.DeepViT` or another plain backbone, or the module.
        head: Config of a :class:`LinearClsHead`, or the module; ``in_channels`` is the backbone's width by default, and
            ``norm_eps`` that of its norm, if it says one, as a ``TimmViT`` does.
        random_erasing: Arguments of timm's ``RandomErasing``, e.g. ``dict(probability=0.25, mode="pixel")``.
        mixup: Arguments of timm's ``Mixup``, e.g. ``dict(mixup_alpha=0.8, cutmix_alpha=1.0)``; smoothing of labels is
            the head's.
        freeze_backbone: Train the head alone; the backbone stays as it is, in evaluation mode.
        data_preprocessor: mmengine's; see ``configs/_base_/models``.
        init_cfg: mmengine's.

    Raises:
        ValueError: If the head's width is not the backbone's, the head wants a class token that the backbone lacks, or
            ``mixup`` has what belongs to the head.
    """

    #: Images of a batch have one size, the backbone\'s.
    fixed_image_size = True

    def __init__(
        self,
        backbone: dict | PlainBackbone,
        head: dict | LinearClsHead,
        random_erasing: dict | None = None,
        mixup: dict | None = None,
        freeze_backbone: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone: PlainBackbone = MODELS.build(backbone) if isinstance(backbone, dict) else backbone
        width = self.backbone.embed_dims
        known = {"norm_eps": self.backbone.norm_eps} if hasattr(self.backbone, "norm_eps") else {}
        self.head: LinearClsHead = (
            MODELS.build({"in_channels": width, **known, **head}) if isinstance(head, dict) else head
        )
        if self.head.in_channels != width:
            raise ValueError(f"the head takes tokens of width {self.head.in_channels}, the backbone's are {width} wide")
        if self.head.pool_kind == "token" and not self.backbone.has_class_token:
            raise ValueError("pool='token' needs a backbone with a class token, which this one lacks")
        self.erase = None if random_erasing is None else RandomErasing(**random_erasing)
        self.mixup = None if mixup is None else self._make_mixup(mixup)
        self.freeze_backbone = freeze_backbone
        if freeze_backbone:
            self.backbone.requires_grad_(False)

    def _make_mixup(self, settings: dict) -> Mixup:
        ours = sorted({"num_classes", "label_smoothing"} & set(settings))
        if ours:
            raise ValueError(f"mixup must not set {', '.join(ours)}: that is the head's")
        return Mixup(**settings, num_classes=self.head.num_classes, label_smoothing=0.0)

    def train(self, mode: bool = True) -> "ImageClassifier":
        """Switch between training and evaluation; a frozen backbone stays in evaluation."""
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def forward(self, inputs: Tensor, data_samples: list[DataSample] | None = None, mode: str = "tensor") -> Any:
        """Run the model as mmengine's runner does, or by hand.

        Args:
            inputs: ``(B, 3, H, W)``, normalised.
            data_samples: One per image; ``loss`` reads their ``gt_label``.
            mode: ``"loss"``: dict with ``loss``, a scalar.
                ``"predict"``: the data samples with ``pred_score`` ``(num_classes,)``, which sums to 1, and
                ``pred_label``, the best class, a scalar tensor.
                ``"tensor"``: scores before the softmax, ``(B, num_classes)``.

        Raises:
            ValueError: For another mode, labels that are missing or outside the head's classes, or an odd batch where
                images are mixed.
        """
        if mode == "tensor":
            return self.logits(inputs)
        if mode == "loss":
            images, targets = self.augment(inputs, self.labels(data_samples, inputs.device))
            return {"loss": self.head.loss(self.logits(images), targets)}
        if mode != "predict":
            raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")
        logits = self.logits(inputs)
        scores = (logits.float() if logits.dtype.itemsize < 4 else logits).softmax(dim=1)
        samples = data_samples if data_samples is not None else [DataSample() for _ in inputs]
        for sample, score in zip(samples, scores, strict=True):
            sample.set_data({"pred_score": score, "pred_label": score.argmax()})
        return samples

    def logits(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` -> ``(B, num_classes)``."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_backbone):
            tokens = self.backbone.forward_tokens(images)[-1]
        return self.head(tokens, self.backbone.num_prefix_tokens)

    def labels(self, data_samples: list[DataSample] | None, device: torch.device) -> Tensor:
        """``(B,)`` labels on the device, in one copy."""
        labels = [sample.get("gt_label") for sample in data_samples or ()]
        classes = self.head.num_classes
        for sample, label in zip(data_samples or (), labels, strict=True):
            if label is None or not 0 <= label < classes:
                raise ValueError(
                    f"every image needs a label of 0..{classes - 1}, but that of {sample.get('img_path')} is {label}: "
                    "set labelled=True in the data set's config and model.head.num_classes to the number of classes"
                )
        numbers = torch.tensor(labels)
        if device.type == "cuda":
            numbers = numbers.pin_memory()
        return numbers.to(device, non_blocking=True)

    def augment(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Erase and mix a batch while training.

        Args:
            images: ``(B, 3, H, W)``; may be changed in place.
            labels: ``(B,)``.

        Returns:
            The images, and labels ``(B,)`` or, mixed, the classes' shares ``(B, num_classes)``.
        """
        if not self.training:
            return images, labels
        if self.erase is not None:
            self.erase.device = images.device
            images = self.erase(images)
        if self.mixup is None:
            return images, labels
        if len(images) % 2:
            raise ValueError(
                f"mixup pairs a batch's images, and {len(images)} is odd: take an even train_dataloader.batch_size and "
                "drop_last=True"
            )
        return self.mixup(images, labels)

    def check_data_sets(self, data_sets: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        """Refuse data whose labels are not the head's.

        Each needs labels, as many classes as the head has, and the same classes in the same order as the first. Images
        of a single class pass with a warning, whatever the head has: nothing can be learnt from them, but a recipe can
        be tried out.

        Args:
            data_sets: By the names of their data loaders; that of the training first.
            warn: Called with a line.

        Raises:
            ValueError: If they don't agree.
        """
        first: tuple[str, Sequence[str]] | None = None
        for name, data_set in data_sets.items():
            classes = _classes(name, data_set, self.head.num_classes, first)
            if first is None and classes is not None:
                first = name, classes
                if len(classes) == 1 < self.head.num_classes:
                    warn(
                        f"all images are of ONE class, '{classes[0]}', of the head's {self.head.num_classes}: nothing "
                        "can be learnt, this only tries the recipe out"
                    )


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
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
    if classes is not None:
        if first is not None:
            compare_classes(name, classes, *first)
        if len(classes) not in (1, num_classes):
            raise ValueError(
                f"{name}: '{root}' has {counted(len(classes), 'class', 'classes')} ({shortlist(classes, 3)}), but the "
                f"model's head has {num_classes}: set model.head.num_classes={len(classes)} (by --cfg-options or in "
                "the config), or give the right folder by --data-root"
            )
    elif len(labels) and labels.max() >= num_classes:
        raise ValueError(
            f"{name}: there is a label {labels.max()}, but the model's head has classes 0..{num_classes - 1}: set "
            f"model.head.num_classes={labels.max() + 1}, or correct the list"
        )
    return classes
