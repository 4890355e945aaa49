"""Bars and matrices of classes."""

import numpy as np

from mirl_mm.visualization.bars import Bar, plot_bars
from mirl_mm.visualization.confusion import confusion_csv, plot_confusion, worst_confusions
from mirl_mm.visualization.curves import encode_figure

MATRIX = np.array([[8, 2, 0], [0, 0, 0], [5, 0, 1]])
NAMES = ("cat", "dog", "mat")


def test_the_longest_bar_is_on_top_and_what_is_absent_below():
    figure = plot_bars([Bar("cat", 20.0, "20"), Bar("dog", np.nan, "absent"), Bar("mat", 60.0, "60")], "IoU", mean=40.0)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "cat", "mat"]
    assert [bar.get_width() for bar in axes.patches] == [0, 20, 60]
    assert list(axes.lines[0].get_xdata()) == [40, 40]


def test_a_logarithmic_axis_takes_zeros():
    figure = plot_bars([Bar("cat", 0.0, "0"), Bar("mat", 60.0, "60")], "share", logarithmic=True)
    assert figure.axes[0].get_xscale() == "log" and len(encode_figure(figure)) > 1000


def test_rows_of_a_matrix_sum_to_one():
    shown = plot_confusion(MATRIX, NAMES).axes[0].images[0].get_array()
    assert np.allclose(shown, [[0.8, 0.2, 0], [0, 0, 0], [5 / 6, 0, 1 / 6]])


def test_the_worst_confusions_and_the_table():
    assert worst_confusions(MATRIX, 5) == [(2, 0), (0, 1)]
    assert worst_confusions(MATRIX, 1) == [(2, 0)]
    assert confusion_csv(MATRIX, NAMES).splitlines()[3] == "mat,5,0,1"
