import pytest

from tests.layouts import write_shapes


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """24 images of 64 x 64."""
    return write_shapes(tmp_path_factory.mktemp("discovery") / "shapes")
