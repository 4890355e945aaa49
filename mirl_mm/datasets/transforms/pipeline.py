"""From a list of configs to one callable."""

from collections.abc import Callable, Sequence

from mmengine.dataset import Compose

from mirl_mm.registry import SCOPE, TRANSFORMS

Step = Callable[[dict], dict]


def build_pipeline(steps: Sequence[dict | Step]) -> Compose:
    """Composes transforms and their configs; names are ours first, whatever mmengine's default scope is."""
    return Compose([TRANSFORMS.build({"_scope_": SCOPE, **step}) if isinstance(step, dict) else step for step in steps])
