"""All tests in this folder need mmseg; without it they are skipped, saying so."""

import pytest

try:
    import mirl_mm.segmentation  # noqa: F401
except ImportError as error:
    MISSING: str | None = str(error)
else:
    MISSING = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "segmentation":
            item.add_marker(pytest.mark.seg)
            if MISSING is not None:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """ADE20K-style data of six training and four validation images of 64 x 64."""
    from mirl_mm.datasets.shapes import generate

    folder = tmp_path_factory.mktemp("shapes") / "data"
    return generate(folder, num_train=6, num_val=4, size=(64, 64), layouts=("ade",), workers=1) / "ade"
