"""A sample is the same whatever loads it."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, default_collate
from torch.utils.data import DataLoader

from mirl_mm.datasets import EndlessSampler, EpochSampler, ImageFolder, SeededIndex
from mirl_mm.datasets.randomness import seeded, seeded_index

PIPELINE = [
    {"type": "LoadImage"},
    {"type": "RandomResizedCrop", "size": (32, 32)},
    {"type": "RandomFlip"},
    {"type": "MaskNoise", "patch_size": (16, 16)},
    lambda results: {**results, "ambient": torch.tensor([random.random(), np.random.rand()])},
    lambda results: {key: results[key] for key in ("img", "noise", "ambient", "img_path")},
]


def of_rank(sampler, rank: int, world_size: int):
    """The sampler as it would be in one of several processes."""
    sampler.rank, sampler.world_size = rank, world_size
    if isinstance(sampler, DefaultSampler):
        sampler.num_samples = -(-len(sampler.dataset) // world_size)
        sampler.total_size = sampler.num_samples * world_size
    return sampler


def take(sampler, number: int) -> list[SeededIndex]:
    return [one for one, _ in zip(sampler, range(number), strict=False)]


def epoch_of(dataset, workers: int, epoch: int = 3, seed: int = 5) -> dict[str, list[torch.Tensor]]:
    sampler = EpochSampler(dataset, seed=seed)
    sampler.set_epoch(epoch)
    loader = DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=default_collate)
    samples = {}
    for batch in loader:
        for index, path in enumerate(batch["img_path"]):
            samples[path] = [batch[key][index] for key in ("img", "noise", "ambient")]
    return samples


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(
        torch.equal(a, b) for key in left for a, b in zip(left[key], right[key], strict=True)
    )


def test_number_of_workers_changes_nothing(labelled):
    dataset = ImageFolder(str(labelled), "train", pipeline=PIPELINE)
    reference = epoch_of(dataset, 0)
    assert len(reference) == 9
    torch.manual_seed(99)
    assert same(reference, epoch_of(dataset, 2))
    assert not same(reference, epoch_of(dataset, 0, epoch=4))
    assert not same(reference, epoch_of(dataset, 0, seed=6))


def test_samples_differ_from_each_other(labelled):
    noises = [value[1] for value in epoch_of(ImageFolder(str(labelled), "train", pipeline=PIPELINE), 0).values()]
    assert len({tuple(noise.tolist()) for noise in noises}) == 9


def test_main_process_is_left_as_it_was():
    def numbers():
        return torch.rand(1).item(), random.random(), np.random.normal()

    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = [numbers() for _ in range(3)]
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    found = [numbers()]
    with seeded(7):
        first = numbers()
    found.append(numbers())
    with seeded(7):
        assert numbers() == first
    assert [*found, numbers()] == expected


def test_seeds_are_63_bits_and_rarely_alike():
    seeds = {
        seeded_index(seed, epoch, index).seed for seed in range(10) for epoch in range(10) for index in range(1000)
    }
    assert len(seeds) == 100_000
    assert 0 <= min(seeds) < 2**50
    assert 2**62 < max(seeds) < 2**63
    bits = np.array([[seed >> bit & 1 for bit in range(63)] for seed in sorted(seeds)[::10]])
    assert np.abs(bits[:, :40].mean(0) - 0.5).max() < 0.03


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("round_up", [True, False])
def test_epoch_sampler_has_the_default_samplers_order(shuffle, round_up):
    ours = EpochSampler(range(11), shuffle=shuffle, seed=3, round_up=round_up)
    theirs = DefaultSampler(range(11), shuffle=shuffle, seed=3, round_up=round_up)
    for epoch in range(2):
        ours.set_epoch(epoch), theirs.set_epoch(epoch)
        assert list(ours) == [seeded_index(3, epoch, index) for index in theirs]
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("kind", [EpochSampler, EndlessSampler])
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_each_step(kind, world_size):
    """A step's draws of all processes are those of one process with the whole batch."""
    batch, size = 4, 24
    whole = take(kind(range(size), seed=1), size)
    parts = [take(of_rank(kind(range(size), seed=1), rank, world_size), size) for rank in range(world_size)]
    for step in range(size // (batch * world_size)):
        expected = whole[step * batch * world_size :][: batch * world_size]
        assert sorted(expected) == sorted(one for part in parts for one in part[step * batch :][:batch])


def test_rounding_up_repeats_the_first_samples():
    parts = [list(of_rank(EpochSampler(range(5), seed=0), rank, 2)) for rank in range(2)]
    whole = list(EpochSampler(range(5), seed=0))
    assert [len(part) for part in parts] == [3, 3]
    assert sorted(parts[0] + parts[1]) == sorted([*whole, whole[0]])


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_endless_sampler(world_size):
    """All epochs of all processes interleaved are the epochs of one process; a skip lands where it should."""
    size, total = 5, 35
    epochs = []
    for epoch in range(total // size):
        sampler = EpochSampler(range(size), seed=2)
        sampler.set_epoch(epoch)
        epochs += list(sampler)
    for rank in range(world_size):
        sampler = of_rank(EndlessSampler(range(size), seed=2), rank, world_size)
        expected = epochs[rank::world_size]
        assert take(sampler, len(expected)) == expected
        for skip in range(4):
            sampler.skip(skip)
            assert take(sampler, len(expected) - skip) == expected[skip:]
    with pytest.raises(ValueError, match="-1"):
        sampler.skip(-1)
