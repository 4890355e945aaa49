import numpy as np
import pytest

from mirl_mm.inference.inputs import expand


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.jpg", "a.PNG", "sub/c.jpeg", "notes.txt", "odd[1].jpg"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "images"


def names(inputs):
    return [str(path) for path in expand(inputs)]


def test_files_folders_and_globs(folder):
    assert names("images/b.jpg") == ["images/b.jpg"]
    assert names(folder) == [str(folder / name) for name in ("a.PNG", "b.jpg", "odd[1].jpg", "sub/c.jpeg")]
    assert names("images/*.jpg") == ["images/b.jpg", "images/odd[1].jpg"]
    assert names("images/**/*.jp*g") == ["images/b.jpg", "images/odd[1].jpg", "images/sub/c.jpeg"]
    assert names("images/odd[1].jpg") == ["images/odd[1].jpg"]  # a file of that name goes before a glob
    assert names(["images/b.jpg", folder / "sub"]) == ["images/b.jpg", str(folder / "sub/c.jpeg")]


def test_arrays():
    image = np.zeros((4, 5, 3), np.uint8)
    assert expand(image)[0] is image
    assert len(expand([image, image])) == 2
    for wrong in (np.zeros((3, 4, 5), np.uint8), np.zeros((4, 5, 3)), np.zeros((4, 5), np.uint8)):
        with pytest.raises(ValueError, match=r"must be \(H, W, 3\) uint8"):
            expand(wrong)


def test_nothing_found(folder):
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no files match the glob 'images/\*\.bmp'"):
        expand("images/*.bmp")
    with pytest.raises(FileNotFoundError, match=r"no image, folder or glob 'images/d\.jpg'"):
        expand(["images/b.jpg", "images/d.jpg"])
    with pytest.raises(ValueError, match="empty' holds no files"):
        expand("images/empty")
    with pytest.raises(ValueError, match="no images given"):
        expand([])
