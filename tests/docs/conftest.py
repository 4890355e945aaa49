"""What needs mmdet or mmseg is skipped where they are missing, saying so."""

import importlib

import pytest

NEEDS = {"det": "mirl_mm.detection.mmdet_parts", "seg": "mirl_mm.segmentation.mmseg_parts"}


@pytest.fixture(autouse=True)
def _skip_without(request: pytest.FixtureRequest):
    for mark, module in NEEDS.items():
        if request.node.get_closest_marker(mark):
            try:
                importlib.import_module(module)
            except ImportError as error:
                pytest.skip(str(error))
