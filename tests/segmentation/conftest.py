import pytest

from mirl_mm.shapes import generate


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """ADE20K-style data of six training and four validation images of 64 x 64."""
    folder = tmp_path_factory.mktemp("shapes") / "data"
    return generate(folder, num_train=6, num_val=4, size=(64, 64), layouts=("ade",), workers=1) / "ade"
