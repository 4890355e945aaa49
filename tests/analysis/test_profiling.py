"""What is counted of a step: operators, graphs, waits."""

import pytest
import torch

from mirl_mm.analysis.profiling import Compilations, compilations, forget_compilations, host_waits, kernels
from mirl_mm.analysis.timing import steady_seconds


@pytest.fixture(autouse=True)
def _nothing_compiled():
    forget_compilations()
    yield
    forget_compilations()


@pytest.mark.skipif(torch.cuda.is_available(), reason="counts the CPU's operators")
def test_operators_are_counted_for_one_run():
    a, b = torch.randn(300, 300), torch.randn(300, 300)
    found = kernels(lambda: [a @ b, a @ b, a + b], times=3)
    calls = {kernel.name: kernel.calls for kernel in found}
    assert calls["aten::mm"] == 2 and calls["aten::add"] == 1
    assert found[0].name == "aten::mm"
    seconds = [kernel.seconds for kernel in found]
    assert seconds == sorted(seconds, reverse=True) and 0 < seconds[0] < 10


@pytest.mark.skipif(torch.cuda.is_available(), reason="without a GPU")
def test_no_gpu_no_waits():
    assert host_waits(lambda: torch.zeros(1).item()) is None


def test_graphs_breaks_and_graphs_compiled_anew():
    @torch.compile(backend="eager", dynamic=False)
    def double(x):
        return 2 * x

    double(torch.ones(2))
    assert compilations() == Compilations(graphs=1, breaks=0, skipped_cuda_graphs=0)
    double(torch.ones(2))
    assert compilations().graphs == 1
    double(torch.ones(3))
    assert compilations().graphs == 2

    @torch.compile(backend="eager")
    def broken(x):
        x = x + 1
        torch._dynamo.graph_break()
        return x * 2

    broken(torch.ones(2))
    assert compilations()[:2] == (4, 1)
    forget_compilations()
    assert compilations() == Compilations(0, 0, 0)


def test_groups_of_calls_are_averaged():
    """One call to find out that a call takes a second, then three groups of four in twelve seconds."""
    now, calls = [0.0], []

    def run():
        calls.append(now[0])
        now[0] += 1.0

    assert steady_seconds(run, 12.0, clock=lambda: now[0]) == [1.0, 1.0, 1.0]
    assert len(calls) == 1 + 3 * 4
    calls.clear()
    steady_seconds(run, 0.1, least=2, clock=lambda: now[0])
    assert len(calls) == 1 + 3 * 2
