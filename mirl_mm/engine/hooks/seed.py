"""Random seeds of the model's operations, by iteration."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mirl_mm.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds every random generator from (seed, iteration, rank) before each iteration.

    Drop path, masks drawn on the device and mixing of images then repeat exactly when a run is resumed, without any
    generator state in the checkpoint. What the data pipeline draws is seeded per sample by ``EpochSampler``.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed torch (all devices), numpy and Python."""
        entropy = np.random.SeedSequence((runner.seed, runner.iter, runner.rank)).generate_state(2, np.uint32)
        torch.manual_seed(int(entropy[0]))
        np.random.seed(entropy[1])
        random.seed(int(entropy[1]))
