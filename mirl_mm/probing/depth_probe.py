"""How good an encoder's features are after each block: the degradation of deep ViTs, measured."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from mmengine.logging import print_log

from mirl_mm.file_backend import write_file
from mirl_mm.progress import progress

from .encoder import FrozenEncoder
from .features import check_depths, extract_features, size_of
from .knn import check_knn, knn_scores, topk_accuracy
from .labelled_images import LabelledImages, count_classes
from .linear_probe import L2_GRID, fit_linear_probe

Figures = dict[str, float]  # knn_top1, knn_top5, linear_top1, linear_top5 in percent, and how they came about
_VERSION = 1  # raise it when the same settings give other figures


@dataclass(frozen=True)
class ProbeSettings:
    """What has an influence on the figures.

    Attributes:
        pool: ``"avg"``: mean of the patch tokens; ``"token"``: the class token.
        final_norm: Whether tokens of the full depth pass the encoder's last norm. Off, so that the last point of a
            curve differs from the others by its depth alone.
        k: Neighbours.
        temperature: Of k-NN; see :func:`~mirl_mm.probing.knn.knn_scores`.
        l2_grid: Penalties of the linear probe to choose from.
        dtype: In which features are kept: ``float32``, ``float16`` or ``bfloat16``.
        amp: Run the encoder in bfloat16.
    """

    pool: str = "avg"
    final_norm: bool = False
    k: int = 20
    temperature: float = 0.07
    l2_grid: tuple[float, ...] = L2_GRID
    dtype: str = "float32"
    amp: bool = False


@dataclass
class DepthProbe:
    """k-NN and linear accuracy after chosen depths of encoders.

    Every finished depth is written to a file at once, so a probe that was killed goes on where it was.

    Args:
        settings: What has an influence on the figures.
        cache_dir: Where finished depths are kept.
        batch_size: Images at a time in the encoder.
        workers: Processes that load images.
        memory: Bytes of features to hold at most; what exceeds it takes another pass over the images.
    """

    settings: ProbeSettings
    cache_dir: Path
    batch_size: int = 64
    workers: int = 0
    memory: int = 16 << 30

    def run(
        self, encoder: FrozenEncoder, train: LabelledImages, val: LabelledImages, depths: Sequence[int]
    ) -> dict[int, Figures]:
        """Figures of each depth; those found in the cache are not computed again.

        Args:
            encoder: On its device, where everything is computed.
            train: What neighbours and linear classifiers are made of; through the encoder's pipeline.
            val: What is classified.
            depths: Numbers of blocks from 0 (the embedding) to the encoder's depth.

        Raises:
            ValueError: For a depth that the encoder does not have, or fewer images than neighbours.
        """
        settings, wanted = self.settings, check_depths(depths, encoder.backbone.depth)
        check_knn(settings.k, settings.temperature, len(train))
        cache = self.cache_dir / f"{self._key(encoder, train, val)}.json"
        done: dict[int, Figures] = {}
        if cache.is_file():
            done = {int(depth): figures for depth, figures in json.loads(cache.read_text())["depths"].items()}
        left = [depth for depth in wanted if depth not in done]
        for part in self._passes(encoder, left, len(train) + len(val)):
            title = f"{encoder.name}: features" + (f" after {part[0]}..{part[-1]}" if part != left else "")
            pool, norm, kind, amp = settings.pool, settings.final_norm, getattr(torch, settings.dtype), settings.amp
            features = [
                extract_features(encoder, images, part, pool, norm, self.batch_size, self.workers, kind, amp, title)
                for images in (train, val)
            ]
            classes, device = count_classes(train, val), next(encoder.backbone.parameters()).device
            for depth in progress(part, f"{encoder.name}: k-NN and linear"):
                bank, queries = (found.by_depth.pop(depth) for found in features)
                labels, truth = (found.labels for found in features)
                near = knn_scores(bank, labels, queries, classes, settings.k, settings.temperature, device)
                linear = fit_linear_probe(bank, labels, classes, settings.l2_grid, device)
                scores = linear.scores(queries, device)
                done[depth] = {
                    **{f"knn_top{k}": topk_accuracy(near, truth, k) for k in (1, 5)},
                    **{f"linear_top{k}": topk_accuracy(scores, truth, k) for k in (1, 5)},
                    "l2": linear.l2,
                    "gradient": linear.gradient,
                    "iterations": linear.iterations,
                }
                write_file(cache, json.dumps({"encoder": encoder.name, "depths": done}, indent=2))
        return {depth: done[depth] for depth in wanted}

    def _passes(self, encoder: FrozenEncoder, depths: list[int], images: int) -> list[list[int]]:
        """The depths in as few passes over the images as memory allows."""
        each = size_of(images, encoder.backbone.embed_dims, 1, getattr(torch, self.settings.dtype))
        step = max(1, self.memory // each)
        parts = [depths[start : start + step] for start in range(0, len(depths), step)]
        if parts:
            total = max(map(len, parts)) * each / 1e9
            print_log(
                f"{encoder.name}: {len(depths)} depths x {each / 1e6:,.0f} MB of features, {total:,.2f} GB at a time, "
                f"passes over the {images:,} images: {len(parts)}"
            )
        return parts

    def _key(self, encoder: FrozenEncoder, train: LabelledImages, val: LabelledImages) -> str:
        """Names a curve's file: equal only where the figures would be."""
        digest = hashlib.sha256(json.dumps([_VERSION, asdict(self.settings), encoder.fingerprint()]).encode())
        for images in (train, val):
            digest.update("\n".join(images.paths).encode(errors="surrogateescape"))
            digest.update(images.labels.tobytes())
        return digest.hexdigest()[:16]


def segment_borders(depth: int, segments: int) -> list[int]:
    """Blocks after which a segment ends, from 0: where MIRL's decoders look."""
    return list(range(0, depth + 1, depth // segments))
