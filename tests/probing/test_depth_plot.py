"""The plot of accuracy against depth."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from mirl_mm.probing.depth_plot import DepthCurve, plot_depth
from mirl_mm.visualization.curves import encode_figure


def curve(name, values, baseline=False):
    figures = {depth: {"knn_top1": value, "linear_top1": value + 10} for depth, value in values.items()}
    return DepthCurve(name, figures, 6, baseline)


CURVES = [
    curve("MIRL", {0: 20.0, 3: 40.0, 6: 50.0}),
    curve("MAE", {0: 21.0, 3: 45.0, 6: 30.0}),
    curve("random weights", {0: 20.0, 3: 22.0, 6: 21.0}, baseline=True),
]


def test_lines_are_the_figures():
    figure = plot_depth(CURVES, [0, 2, 4, 6], "A title")
    knn, linear = figure.axes
    for axis, added in ((knn, 0), (linear, 10)):
        named = {line.get_label().partition(":")[0]: line for line in axis.get_lines()}
        np.testing.assert_array_equal(named["MAE"].get_xdata(), [0, 3, 6])
        np.testing.assert_array_equal(named["MAE"].get_ydata(), np.array([21, 45, 30]) + added)
        assert len({to_hex(named[curve.name].get_color()) for curve in CURVES}) == 3
        assert len({named[curve.name].get_marker() for curve in CURVES}) == 3
        assert named["random weights"].is_dashed()
        assert not named["MIRL"].is_dashed()
        assert [text.get_text() for text in axis.texts] == ["1", "2", "3"]  # the segments
        assert axis.get_ylabel() == "top-1 accuracy (%)"
    assert [text.get_text() for text in knn.get_legend().get_texts()] == [
        "MIRL: best 50.0 after 6, last 50.0",
        "MAE: best 45.0 after 3, last 30.0",
        "random weights: best 22.0 after 3, last 21.0",
    ]


def test_is_a_picture():
    pixels = np.asarray(Image.open(io.BytesIO(encode_figure(plot_depth(CURVES[:1])))))
    assert pixels.shape[1] > 1000
    assert pixels.std() > 5


@pytest.mark.parametrize("curves", [[], [curve("MIRL", {})]])
def test_nothing_to_plot(curves):
    with pytest.raises(ValueError, match="nothing to plot"):
        plot_depth(curves)
