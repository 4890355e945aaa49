"""k-NN accuracy of the encoder's frozen features during pre-training."""

from collections.abc import Sequence
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mirl_mm.engine.fsdp import gathered
from mirl_mm.engine.hooks.unwrapped import unwrapped_model
from mirl_mm.models.backbones import is_backbone
from mirl_mm.registry import HOOKS

from .encoder import FrozenEncoder, evaluation_pipeline
from .features import check_depths, extract_features
from .knn import check_knn, knn_scores, topk_accuracy
from .labelled_images import LabelledImages, count_classes, labelled_pair


@HOOKS.register_module()
class KNNHook(Hook):
    """Accuracy of a k-NN classifier on the encoder's frozen features, as training goes on.

    Labels serve the measurement alone. The figure, in percent, goes to the log and to the visualizer as ``knn/top1``,
    for the features after the last block and its norm; with ``depths``, also as ``knn/top1_block8`` for those after 8
    blocks, without a norm. No random generator and no module's mode is changed: a run ends with the same weights with
    the hook as without. In a distributed run every process takes its shard of the images.

    Args:
        train: Config of the labelled images that neighbours are looked for in, such as
            ``dict(type="ImageFolder", data_root="data/imagenet", split="train", labelled=True)``. Without a pipeline,
            images go through the run's test pipeline.
        val: Config of those that are classified.
        interval: Epochs between measurements; there is one after the last epoch, too.
        num_train: At most so many training images, evenly spread over the classes; 0: all.
        num_val: At most so many validation images; 0: all.
        depths: Blocks after which features are judged besides the last.
        k: Neighbours.
        temperature: See :func:`mirl_mm.probing.knn.knn_scores`.
        pool: ``"avg"``: mean of the patch tokens; ``"token"``: the class token.
        batch_size: Images at a time in each process.
        num_workers: Processes of each that load images.

    Raises:
        ValueError: If ``interval`` is not positive. Before training starts: images without labels, classes that differ
            between training and validation, fewer images than neighbours, or a depth that the encoder does not have.
        FileNotFoundError: Before training starts, if a folder is missing.
        TypeError: Before training starts, if the model has no plain backbone such as DeepViT.
    """

    priority = "LOW"

    def __init__(
        self,
        train: dict,
        val: dict,
        interval: int = 20,
        num_train: int = 20000,
        num_val: int = 5000,
        depths: Sequence[int] = (),
        k: int = 20,
        temperature: float = 0.07,
        pool: str = "avg",
        batch_size: int = 64,
        num_workers: int = 2,
    ) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        self.cfgs = (train, val)
        self.interval = interval
        self.limits = (num_train, num_val)
        self.depths = tuple(depths)
        self.voting = (k, temperature)
        self.extracting: dict[str, Any] = {"pool": pool, "batch_size": batch_size, "workers": num_workers}
        self._images: tuple[LabelledImages, LabelledImages] | None = None

    def before_train(self, runner: Runner) -> None:
        """Find the images, and refuse what can't be measured before time is spent."""
        encoder = _encoder(runner)
        self._images = labelled_pair(*self.cfgs, encoder.pipeline, self.limits)
        check_knn(*self.voting, len(self._images[0]))
        self._depths = check_depths([*self.depths, encoder.backbone.depth], encoder.backbone.depth)

    def after_train_epoch(self, runner: Runner) -> None:
        """Measure if it is time."""
        if not (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            return
        assert self._images is not None
        encoder = _encoder(runner)
        with gathered(unwrapped_model(runner)):
            train, val = (
                extract_features(encoder, images, self._depths, final_norm=True, **self.extracting)
                for images in self._images
            )
        if not is_main_process():
            return
        classes = count_classes(*self._images)
        device = next(encoder.backbone.parameters()).device
        figures: dict[str, Any] = {}
        for depth in self._depths:
            bank, queries = train.by_depth[depth], val.by_depth[depth]
            scores = knn_scores(bank, train.labels, queries, classes, *self.voting, device)
            name = "knn/top1" if depth == encoder.backbone.depth else f"knn/top1_block{depth}"
            figures[name] = topk_accuracy(scores, val.labels)
        epoch = runner.epoch + 1
        runner.visualizer.add_scalars(figures, step=epoch)
        found = ", ".join(f"{name} {figure:.2f}" for name, figure in figures.items())
        runner.logger.info(f"Epoch {epoch}: {found} (percent, {len(train.labels)} and {len(val.labels)} images)")


def _encoder(runner: Runner) -> FrozenEncoder:
    model = unwrapped_model(runner)
    backbone: Any = getattr(model, "backbone", None)
    if not is_backbone(backbone):
        raise TypeError(
            f"KNNHook needs a model with a plain backbone such as DeepViT, not {type(model).__name__}: take it out of "
            "the config"
        )
    pipeline = evaluation_pipeline(runner.cfg, backbone.img_size)
    return FrozenEncoder(type(model).__name__, backbone, model.data_preprocessor, pipeline)
