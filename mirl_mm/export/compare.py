"""How far an exported model is from ours."""

from torch import Tensor

#: Largest difference of two float32 networks that is taken for rounding, as a share of the largest value. A ViT-B-48
#: with random weights stays below 1e-6.
TOLERANCE = 1e-4


def relative_difference(got: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest value; NaN and infinity give NaN, which no tolerance allows.

    Raises:
        ValueError: If the shapes differ.
    """
    if got.shape != expected.shape:
        raise ValueError(f"the exported model's output is {tuple(got.shape)}, ours {tuple(expected.shape)}")
    largest = expected.abs().max().clamp_min(1e-30)
    return ((got - expected).abs().max() / largest).item()
