"""The one way by which weights enter a model: a policy says what of them it takes, or why it takes none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .load_report import LoadReport, compare
from .read_weights import Weights

State = Mapping[str, Tensor]
#: From a model and weights to what of them is loaded; raises a ValueError where they do not belong together. That which
#: a training starts from is :class:`mirl_mm.models.backbones.pretrained.Start`.
Policy = Callable[[nn.Module, Weights], State]


@dataclass(frozen=True)
class Exact:
    """The policy of tests, of runs that go on, inferencers, probes and exports: all names and shapes agree.

    Attributes:
        refusal: From the report to the message of the error, where they don't.
        resampled: Whether absolute and relative positions may have another grid, which the backbone resamples.
        accept: Is told the report, where they do.
    """

    refusal: Callable[[LoadReport], str]
    resampled: bool = False
    accept: Callable[[LoadReport], Any] | None = None

    def __call__(self, model: nn.Module, weights: Weights) -> State:
        """All of the weights.

        Raises:
            ValueError: If a tensor is missing, one too many or of another shape.
        """
        report = compare(model, weights.state)
        if not (report.complete or (self.resampled and report.resampled_only)):
            raise ValueError(self.refusal(report))
        if self.accept is not None:
            self.accept(report)
        return weights.state


def load_into(
    model: nn.Module,
    weights: Weights,
    policy: Policy,
    *,
    before_copy: Callable[[State], State] | None = None,
    assign: bool = False,
) -> None:
    """Load weights that were read by ``read_any`` (or, to go on, by :func:`.training_state.read_whole`) into a model.

    Args:
        model: Without wrappers such as DDP. One that FSDP has sharded takes whole tensors.
        weights: Under our names.
        policy: What of them is taken.
        before_copy: May exchange what is loaded once it is known to fit, as hooks do that keep an average.
        assign: Let the model have the tensors themselves rather than copies: for one on the device ``meta``.

    Raises:
        ValueError: If the policy refuses them; the model is as it was then.
    """
    state = policy(model, weights)
    if before_copy is not None:
        state = before_copy(state)
    model.load_state_dict(state, strict=False, assign=assign)  # the policy has judged what is missing
