"""What of a checkpoint fits a model."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from mirl_mm.text import shortlist

_SHOWN = 5

#: Names' ends of absolute and relative positions. ``(..., channels)``; a backbone fits their number itself.
RELATIVE = ("rel_pos_h", "rel_pos_w")
#: And of low-rank adapters.
ADAPTERS = ("lora_A.default.weight", "lora_B.default.weight")
_RESIZED = ("pos_embed", *RELATIVE)


@dataclass
class LoadReport:
    """Outcome of matching a checkpoint's tensors with a model's.

    Attributes:
        loaded: Names with equal shapes.
        resized: Positions, which the backbone resamples.
        new: Relative positions, or adapters, where the checkpoint has none at all, as no pre-training has. They begin
            at zero, and so change nothing at first.
        mismatched: Name to (checkpoint's shape, model's shape).
        missing: The model's names that the checkpoint lacks: they stay as initialised.
        unexpected: The checkpoint's names that the model lacks.
    """

    loaded: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether model and checkpoint agree entirely."""
        return self.resampled_only and not self.resized

    @property
    def resampled_only(self) -> bool:
        """Whether they agree but for positions of another grid."""
        return not (self.new or self.mismatched or self.missing or self.unexpected)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} tensors fit"]
        if self.resized:
            lines.append(f"{len(self.resized)} resized: {shorten(self.resized)}")
        if self.new:
            kinds = {"adapters" if name.endswith(ADAPTERS) else "relative positions" for name in self.new}
            lines.append(f"{len(self.new)} {' and '.join(sorted(kinds))} begin at zero, as the file has none")
        for names, what in ((self.missing, "missing"), (self.unexpected, "unexpected")):
            lines += [f"{len(names)} {what}: {shorten(names)}"] * bool(names)
        if self.mismatched:
            lines.append(f"{len(self.mismatched)} of another shape: {self.shapes()}")
        return "; ".join(lines)

    def shapes(self) -> str:
        """The mismatched names with both shapes."""
        shapes = [f"{name} {list(theirs)} for {list(ours)}" for name, (theirs, ours) in self.mismatched.items()]
        return shortlist(shapes, _SHOWN)


def compare(model: nn.Module, state: Mapping[str, Tensor]) -> LoadReport:
    """Match a state dict with a model by name and shape, without loading anything."""
    report = LoadReport()
    ours = model.state_dict()
    absent = tuple(
        end for ends in (RELATIVE, ADAPTERS) if not any(name.endswith(ends) for name in state) for end in ends
    )
    for name, tensor in ours.items():
        if name not in state and name.endswith(absent):
            report.new.append(name)
        elif name not in state:
            report.missing.append(name)
        elif state[name].shape == tensor.shape:
            report.loaded.append(name)
        elif name.endswith(_RESIZED) and state[name].shape[-1] == tensor.shape[-1]:
            report.resized.append(name)
        else:
            report.mismatched[name] = (tuple(state[name].shape), tuple(tensor.shape))
    report.unexpected = [name for name in state if name not in ours]
    return report


def shorten(names: list[str]) -> str:
    """A few names as they are, many by what they begin with: ``decoders.* (228), embeds.* (14)``."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    depth = 1 if len({name.partition(".")[0] for name in names}) > 1 else 2
    groups = Counter(".".join(name.split(".")[:depth]) for name in names)
    parts = [f"{group}{'.*' if group not in names else ''} ({count})" for group, count in groups.most_common(_SHOWN)]
    rest = len(groups) - len(parts)
    return ", ".join(parts) + (f" and {rest} groups more" if rest else "")
