"""Compiled training, with and without CUDA graphs, beside eager training on a GPU.

In a rehearsal on a CPU the backend ``aot_eager`` stands for compilation, and there are no CUDA graphs.
"""

import copy

import pytest
import torch

from mirl_mm.engine.compilation import compile_training, keep_gradients
from tests.engine.test_compilation import (
    _nothing_compiled,  # noqa: F401
    busy_configs,
    classifier,
    evaluate,
    graphs,
    loss_of,
    losses_of_run,
    mae,
    mirl,
    recomputed_mirl,
    step,
)
from tests.golden import distance
from tests.training import weights

pytestmark = pytest.mark.gpu

BUILDS = {
    "mirl": mirl,
    "mirl, deep decoders": lambda: mirl(decoder_depth=2),
    "mae": mae,
    "classifier": classifier,
}
#: Of losses, and of gradients' norms in float32: compiled kernels add up in another order, and losses are means of
#: thousands of numbers. In bfloat16 a loss is as near to float32's as in the golden tests, and gradients are no further
#: from float32's than twice what eager bfloat16's are: both round as often, each in its own way.
TOLERANCES = {"fp32": (2e-6, 1e-5), "bf16": (2e-4, 2.0)}


def settings(device: torch.device, cuda_graphs: bool = False) -> dict:
    """Of :func:`compile_training`."""
    if cuda_graphs and device.type == "cpu":
        pytest.skip("a CPU has no CUDA graphs")
    return {"backend": "aot_eager"} if device.type == "cpu" else {"cuda_graphs": cuda_graphs}


def check(model, reference, seeds, precision: str) -> None:
    """Losses and gradients of ``model``, step by step, beside those of float32."""
    loss_tolerance, tolerance = TOLERANCES[precision]
    eager = copy.deepcopy(reference)
    for seed in seeds:
        expected, expected_gradients = step(reference, seed=seed)
        found, gradients = step(model, precision == "bf16", seed)
        torch.testing.assert_close(found, expected, rtol=loss_tolerance, atol=0)
        assert gradients.keys() == expected_gradients.keys()
        rounded = step(eager, True, seed)[1] if precision == "bf16" else {}
        for name, gradient in gradients.items():
            if not name.endswith("qkv.bias"):  # whose part for the keys is rounding alone: softmax ignores it
                target = expected_gradients[name]
                bound = tolerance * (distance(rounded[name], target) if rounded else 1)
                assert distance(gradient, target) < bound, name


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("name", BUILDS)
def test_losses_and_gradients_are_the_eager_ones(name, cuda_graphs, precision, gpu):
    """Of several batches, with all that looks in between; nothing is compiled after the first."""
    model, reference = BUILDS[name]().to(gpu), BUILDS[name]().to(gpu)
    compile_training(model, **settings(gpu, cuda_graphs))
    check(model, reference, [1], precision)
    compiled = graphs()
    evaluate(model)
    check(model, reference, range(2, 6), precision)  # CUDA graphs run twice before they are captured
    evaluate(model)
    check(model, reference, [6], precision)
    assert graphs() == compiled


def test_recomputed_blocks(gpu):
    model = recomputed_mirl().to(gpu)
    done = compile_training(model, **settings(gpu))
    assert not done.cuda_graphs and "activation checkpointing recomputes block by block" in done.why
    check(model, mirl().to(gpu), [1, 2], "fp32")


def test_drop_path_under_graphs_draws_anew(gpu):
    """Otherwise each replay would drop the same samples."""
    model = classifier(drop_path_rate=0.5).to(gpu)
    compile_training(model, **settings(gpu, cuda_graphs=True))
    losses = [step(model)[0].item() for _ in range(8)]
    assert len(set(losses[4:])) > 1


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_gradients_accumulate(cuda_graphs, gpu):
    """A graph's gradients are added to, not overwritten; weights move in between."""
    model, reference = mirl().to(gpu), mirl().to(gpu)
    compile_training(model, **settings(gpu, cuda_graphs))
    pairs = [(each, torch.optim.SGD(each.parameters(), lr=0.1)) for each in (model, reference)]
    keep_gradients(pairs[0][1])
    for update in range(4):
        for each, optimizer in pairs:
            for seed in (1, 2, 3):
                loss_of(each, seed=10 * update + seed).backward()
            if update == 3:
                break
            optimizer.step()
            optimizer.zero_grad()
    for (name, found), expected in zip(model.named_parameters(), reference.parameters(), strict=True):
        if expected.grad is not None and not name.endswith("qkv.bias"):
            assert distance(found.grad, expected.grad) < 1e-4, name  # as the weights are after three updates


@pytest.mark.parametrize("precision", ["OptimWrapper", "Bf16OptimWrapper"])
@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_a_run(tmp_path, cuda_graphs, precision, gpu):
    """Accumulation, clipping, validation, k-NN and reconstruction around it; SGD, as AdamW enlarges rounding."""
    configs = busy_configs(tmp_path)
    for cfg in configs.values():
        cfg.optim_wrapper.update(type=precision, clip_grad={"max_norm": 1.0})
        cfg.optim_wrapper.optimizer = {"type": "SGD", "lr": 0.5, "momentum": 0.9}
    configs["compiled"].compile = settings(gpu, cuda_graphs)
    losses = {name: losses_of_run(cfg) for name, cfg in configs.items()}
    assert len(losses["plain"]) == 8
    first, last = weights(tmp_path / "plain", 1), weights(tmp_path / "plain")
    assert max((last[name] - first[name]).abs().max() for name in last) > 1e-3  # training moved them
    assert losses["compiled"] == pytest.approx(losses["plain"], rel=1e-5 if precision == "OptimWrapper" else 2e-3)
    (log,) = (tmp_path / "compiled").glob("*/*.log")
    expected = "as CUDA graphs" if cuda_graphs else "without CUDA graphs"
    assert f"embeddings, target, losses; {expected}" in log.read_text()
