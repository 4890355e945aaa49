"""Pre-training losses on a validation set."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from mirl_mm.registry import METRICS


@METRICS.register_module()
class MaskedLoss(BaseMetric):
    """Mean over the images of each of a pre-trainer's loss terms, and their mean as ``loss``.

    Reads the ``losses`` that :class:`~mirl_mm.models.pretrainers.Pretrainer` writes in mode ``predict``.
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Collect a batch: a dict of term name to number per image."""
        self.results.extend({name: float(value) for name, value in s["losses"].items()} for s in data_samples)

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """Average each term over the images."""
        means = {name: sum(result[name] for result in results) / len(results) for name in results[0]}
        return {"loss": sum(means.values()) / len(means), **means}
