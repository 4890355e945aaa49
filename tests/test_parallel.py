"""Work in several processes."""

import os

import pytest

from mirl_mm.parallel import in_parallel


def square(number):
    if number == 7:
        raise ValueError("seven")
    return number**2, os.getpid()


@pytest.mark.parametrize("workers", [0, 2, None])
def test_results_are_in_order(workers):
    numbers = [number for number in range(40) if number != 7]
    values, processes = zip(*in_parallel(square, numbers, "squares", workers), strict=True)
    assert list(values) == [number**2 for number in numbers]
    assert (os.getpid() in processes) == (workers == 0 or (workers is None and os.cpu_count() == 1))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_error_comes_through(workers):
    with pytest.raises(ValueError, match="seven"):
        list(in_parallel(square, range(40), "squares", workers))
