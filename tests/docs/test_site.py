"""The documentation builds without a warning or the network, and has all of the public names."""

import importlib
import inspect
import io
import posixpath
import re
import socket

import pytest
from sphinx.application import Sphinx
from sphinx.util.inventory import InventoryFile

import mirl_mm
from tests.training import ROOT

#: Packages whose __all__ is public; each of their names has an entry.
ROOMS = ("analysis", "classification", "checkpoint", "converters", "datasets", "datasets.transforms", "shapes")
ROOMS += ("detection.mmdet_parts", "engine", "engine.hooks", "export", "inference", "models", "models.layers")
ROOMS += ("segmentation.mmseg_parts",)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; its warnings are in ``warnings.txt``."""
    folder = tmp_path_factory.mktemp("site")
    warnings = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _no_network)
        app = Sphinx(
            srcdir=ROOT / "docs",
            confdir=ROOT / "docs",
            outdir=folder / "html",
            doctreedir=folder / "doctrees",
            buildername="html",
            status=None,
            warning=warnings,
        )
        app.build()
    (folder / "html/warnings.txt").write_text(warnings.getvalue())
    return folder / "html"


def _no_network(*where):
    raise OSError(f"the documentation's build wants to reach {where[1:]}")


@pytest.mark.det
@pytest.mark.seg
def test_builds_without_warnings(site):
    assert (site / "warnings.txt").read_text() == ""


@pytest.mark.det
@pytest.mark.seg
def test_reference_has_every_public_name(site):
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", posixpath.join)
    known = {name for kind, entries in inventory.items() if kind.startswith("py:") for name in entries}
    public = {f"mirl_mm.{name}" for name in mirl_mm._LAZY}
    assert public <= known
    values = {id(resolve(name)) for name in known if "." in name}
    missing = [
        f"mirl_mm.{room}.{name}"
        for room in ROOMS
        for name in importlib.import_module(f"mirl_mm.{room}").__all__
        if _is_documented(value := getattr(importlib.import_module(f"mirl_mm.{room}"), name))
        and id(value) not in values
    ]
    assert missing == []


def _is_documented(value: object) -> bool:
    """Whether it is code of ours: constants and other packages' classes have no docstring of ours."""
    return str(getattr(value, "__module__", "")).startswith("mirl_mm.") and (inspect.isclass(value) or callable(value))


def resolve(name: str) -> object:
    """The object of a dotted name, whose first parts are modules."""
    found: object = mirl_mm
    path = "mirl_mm"
    for part in name.split(".")[1:]:
        path = f"{path}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(path)
            except ImportError:
                return None
    return found


@pytest.mark.det
@pytest.mark.seg
def test_pages_show_the_repositorys_files(site):
    contributing = (site / "contributing.html").read_text()
    assert "Contributing" in contributing and "{include}" not in contributing
    zoo = (site / "models/pretrain.html").read_text()
    assert 'href="../pretrain.html"' in zoo and "{include}" not in zoo
    assert not re.search(r'href="[^"#]*\.md', contributing + zoo)
