"""Which files of a folder count, and which folders are followed."""

import os

import pytest

from mirl_mm.datasets.checks import check_images_exist, no_images
from mirl_mm.datasets.class_counts import find_masks
from mirl_mm.datasets.directory_scan import find_files, walk
from mirl_mm.datasets.file_lists import list_images
from mirl_mm.datasets.image_folder import EXTENSIONS
from mirl_mm.inference.inputs import expand


@pytest.fixture
def root(tmp_path):
    """An image, what macOS and Jupyter leave behind, a link to a folder elsewhere, from which one leads back."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/B.JPG").touch()
    root = tmp_path / "root"
    (root / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("a.png", "._a.png", ".hidden.png", ".ipynb_checkpoints/a.png", "notes.txt"):
        (root / name).touch()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "elsewhere/back").symlink_to(root)
    return root


def test_links_are_followed_but_not_into_themselves_and_dots_do_not_count(root, capsys):
    assert list(walk(root)) == [("", ["a.png", "notes.txt"]), ("linked", ["B.JPG"])]
    assert find_files(root, [".png", ".jpg"]) == [root / "a.png", root / "linked/B.JPG"]
    assert "Not followed" in capsys.readouterr().out


def test_all_that_look_for_images_see_the_same(root):
    expected = ["a.png", os.path.join("linked", "B.JPG")]
    assert list(list_images(str(root), EXTENSIONS)) == expected
    assert expand(root) == [str(root / name) for name in expected]
    assert find_masks([root]) == [str(root / "a.png")]


def test_a_folder_that_holds_only_a_link(root, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    (only / "link").symlink_to(root.parent / "elsewhere")
    check_images_exist(str(only), EXTENSIONS)
    assert [os.path.basename(path) for path in expand(only)] == ["B.JPG", "a.png"]
    (root / "a.png").unlink()
    assert "endings found are .txt (1)" in str(no_images(str(root), (".png",)))
