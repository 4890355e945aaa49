"""A sample's randomness from (seed, epoch, index) alone.

However many workers or processes load the data, and wherever a run was resumed, the same sample of the same epoch is
drawn with the same random numbers.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import get_worker_info

_MASK = (1 << 64) - 1


class SeededIndex(NamedTuple):
    """What a sampler hands to a data set: a sample's index, and the seed (63 bits) of its augmentation."""

    sample: int
    seed: int


def seeded_index(seed: int, epoch: int, index: int) -> SeededIndex:
    """A sample's index with its seed in one epoch of a run's seed."""
    return SeededIndex(index, _mix(_mix(_mix(seed) ^ epoch) ^ index) >> 1)


def _mix(value: int) -> int:
    """One step of SplitMix64 (Steele, Lea and Flood, 2014), a bijection of 64 bits under which neighbours part."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds torch's CPU generator, ``random`` and NumPy's global generator (which timm's RandAugment uses).

    In the main process the states from before are put back at the end, so that loading data there doesn't disturb what
    the model draws. A worker draws for samples only and saves the time.

    Args:
        seed: At most 64 bits.
    """
    if get_worker_info() is not None:
        _seed_all(seed)
        yield
        return
    states = torch.default_generator.get_state(), random.getstate(), np.random.get_state()
    _seed_all(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])


@contextmanager
def seeded_by(key: int | SeededIndex) -> Iterator[int]:
    """The index in a data set's key; within this context its seed counts (:func:`seeded`), if it has one."""
    if isinstance(key, SeededIndex):
        with seeded(key.seed):
            yield key.sample
    else:
        yield key


def _seed_all(seed: int) -> None:
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reach for every accelerator
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
