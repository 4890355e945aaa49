"""The benchmark's step is the step that training runs, and its parts add up."""

from collections.abc import Callable

import pytest
import torch

from mirl_mm.analysis import count_macs
from mirl_mm.analysis.timing import StepTimes, in_turns, matmul_rate, median_step, time_step, turn_ratios
from mirl_mm.analysis.training_bench import TrainingBench
from mirl_mm.engine.launch import load_config
from tests.training import ROOT, SMALL, small_config, write_images


def bench(**options) -> TrainingBench:
    cfg = load_config(ROOT / "configs/pretrain/mirl_tiny24_64px.py", SMALL | options)
    return TrainingBench(cfg)


def ticking() -> Callable[[], float]:
    """A clock that goes on by 1, 2, 3, ... seconds."""
    readings = iter(range(10**6))
    return lambda: float(sum(range(next(readings) + 1)))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_step_does_what_training_does(dtype, device, repeatable):
    ours, theirs = bench(), bench()
    kind = {"fp32": "OptimWrapper", "bf16": "Bf16OptimWrapper"}[dtype]
    wrapper = theirs.variant(dtype).optim_wrapper
    assert type(wrapper).__name__ == kind
    variant, batches = ours.variant(dtype), ours.generated(4)
    for batch, _ in zip(theirs.generated(4), range(3), strict=False):
        time_step(ours.model, variant, batches)
        theirs.model.train_step(batch, wrapper)
    before = bench().model.state_dict()
    for name, value in ours.model.state_dict().items():
        assert torch.equal(value, theirs.model.state_dict()[name]), name
    assert not torch.equal(before["norms.0.weight"], ours.model.state_dict()["norms.0.weight"])


def test_plain_variant_takes_the_plain_formulation_of_the_same_model():
    it = bench()
    batch = it.model.data_preprocessor(next(it.generated(4)), True)
    batch.pop("data_samples")
    ours, plain = (it.variant("fp32", plain=plain) for plain in (False, True))
    assert (ours.name, plain.name) == ("fp32", "fp32 plain")
    torch.testing.assert_close(plain.loss(**batch), ours.loss(**batch), rtol=1e-5, atol=0)
    more, less = (count_macs(lambda variant=variant: variant.loss(**batch)).total for variant in (plain, ours))
    assert more > 1.05 * less
    assert plain.optim_wrapper.optimizer is ours.optim_wrapper.optimizer


def test_clipping_of_the_config_is_kept():
    it = bench(**{"optim_wrapper.clip_grad": {"max_norm": 1.0}})
    assert it.variant("bf16").optim_wrapper.clip_grad_kwargs == {"max_norm": 1.0}


def test_times_of_the_parts():
    it = bench()
    step = time_step(it.model, it.variant("fp32"), it.generated(2), ticking())
    assert step == StepTimes(data=1.0, forward=2.0, backward=3.0, optimizer=4.0)
    assert step.total == 10.0


def test_what_is_measured_takes_turns():
    order: list[str] = []

    def noting(name):
        return lambda: order.append(name) or len(order)

    measured = in_turns({name: noting(name) for name in ("bf16", "fp32")}, rounds=2, warmup=1)
    assert order == ["bf16", "fp32"] * 3
    assert measured == {"bf16": [3, 5], "fp32": [4, 6]}


def test_a_matrix_multiplication_has_a_rate(device):
    assert matmul_rate(torch.bfloat16, device, 16) > 0


def test_medians_and_ratios():
    fast = [StepTimes(1, 1, 1, 1), StepTimes(2, 1, 5, 1), StepTimes(3, 1, 2, 1)]
    slow = [StepTimes(2, 2, 2, 2), StepTimes(9, 3, 5, 1), StepTimes(1, 4, 1, 1)]
    assert median_step(fast) == StepTimes(2, 1, 2, 1)
    assert turn_ratios(fast, slow) == [2.0, 2.0, 1.0]


def test_real_images_come_for_ever(tmp_path):
    cfg = small_config(write_images(tmp_path / "data", 5), tmp_path / "run")
    batches = TrainingBench(cfg).loaded(2)
    inputs = [next(batches)["inputs"] for _ in range(5)]
    assert [(images.dtype, tuple(images.shape)) for images in inputs] == [(torch.uint8, (2, 3, 64, 64))] * 5


def test_too_few_images_for_a_batch(tmp_path):
    cfg = small_config(write_images(tmp_path / "data", 5), tmp_path / "run")
    with pytest.raises(ValueError, match="has 5 images, less than a batch of 8"):
        TrainingBench(cfg).loaded(8)


def test_other_models_are_refused():
    cfg = load_config(ROOT / "configs/pretrain/mirl_tiny24_64px.py")
    cfg.model = {"type": "DeepViT"}
    with pytest.raises(ValueError, match="model is DeepViT, no pre-trainer"):
        TrainingBench(cfg)
