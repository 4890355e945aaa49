"""Means, standard errors, paired differences, tables."""

import numpy as np
import pytest
from scipy import stats

from mirl_mm.studies.summary import as_csv, mean, paired


def test_means_and_errors_are_scipys():
    values = np.random.default_rng(0).normal(50, 3, 5).tolist()
    found = mean(values)
    assert found.value == pytest.approx(np.mean(values))
    assert found.error == pytest.approx(stats.sem(values))
    assert mean([]) is None
    assert mean([3.0]) == (3.0, None, 1)


def test_differences_are_paired_by_seed():
    ours, others = {0: 40.0, 1: 50.0, 2: 60.0, 7: 0.0}, {2: 58.0, 0: 39.0, 1: 47.0, 5: 99.0}
    found = paired(ours, others)
    assert (found.value, found.number) == (2.0, 3)
    assert found.error == pytest.approx(stats.sem([1.0, 3.0, 2.0]))
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_text():
    assert mean([43.0, 44.0]).text() == "43.5 ± 0.5"
    assert mean([0.6301]).text(3) == "0.630"
    assert mean([3.0, 4.0]).text(sign=True) == "+3.5 ± 0.5"
    assert mean([-3.0]).text(sign=True) == "-3.0"
    assert as_csv(["x", "y"], [(2, "b"), (1, "a,b")]) == 'x,y\n1,"a,b"\n2,b\n'
