"""Samplers that say not only which sample comes next, but with which randomness."""

from collections.abc import Iterator, Sized
from itertools import count

import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mirl_mm.registry import DATA_SAMPLERS

from .randomness import SeededIndex, seeded_index


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """mmengine's ``DefaultSampler`` (same arguments, order and split over processes) that yields seeded indices.

    A process takes every ``world_size``-th sample of the epoch's order. So at every step the processes' batches
    together are the batch that one process with ``world_size`` times the batch size would load, except in an
    epoch's last, incomplete step: ``drop_last=True`` in the data loader leaves that one out. With ``round_up`` the
    epoch's first samples fill up the last row (with the same randomness: they are the same samples).
    """

    def __iter__(self) -> Iterator[SeededIndex]:
        for index in super().__iter__():
            yield seeded_index(self.seed, self.epoch, index)


@DATA_SAMPLERS.register_module()
class EndlessSampler(Sampler[SeededIndex]):
    """Epoch after epoch without a break, for mmengine's ``IterBasedTrainLoop``.

    The order is that of :class:`EpochSampler`'s epochs one behind the other, no sample dropped or repeated between
    them. Resuming is exact and costs one permutation: the loop calls :meth:`skip`.

    Args:
        dataset: What to draw from.
        shuffle: Whether each epoch has an order of its own.
        seed: The same in every process; None: one is agreed on.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.skipped = 0

    def skip(self, num_samples: int) -> None:
        """Starts the next iteration after this process's first ``num_samples`` samples, counted from the very first."""
        if num_samples < 0:
            raise ValueError(f"num_samples to skip must not be negative, got {num_samples}")
        self.skipped = num_samples

    def __iter__(self) -> Iterator[SeededIndex]:
        first_epoch, offset = divmod(self.rank + self.skipped * self.world_size, self.size)
        for epoch in count(first_epoch):
            order = torch.arange(self.size)
            if self.shuffle:
                order = torch.randperm(self.size, generator=torch.Generator().manual_seed(self.seed + epoch))
            yield from (seeded_index(self.seed, epoch, index) for index in order[offset :: self.world_size].tolist())
            # where this process's stride lands in the next epoch (beyond its end if it is shorter than the stride)
            offset += -(-max(self.size - offset, 0) // self.world_size) * self.world_size - self.size

    def __len__(self) -> int:
        """One epoch's samples over all processes."""
        return self.size
