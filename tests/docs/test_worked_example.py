"""The worked example of docs/configs.md, from images to a detector, word for word but with small numbers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.fences import read
from tests.training import ROOT, environment

#: What the page says -> what takes seconds.
SHORTER = {
    "--num-train 2000 --num-val 100": "--num-train 24 --num-val 4",
    "max_epochs=6": "max_epochs=2",
    "epoch_6.pth": "epoch_2.pth",
    "warmup=30": "warmup=1",
    "max_iters=300, val_interval=150": "max_iters=4, val_interval=2",
    "iter_300.pth": "iter_4.pth",
}


@pytest.mark.slow
@pytest.mark.det
def test_from_a_folder_of_images_to_a_detector(tmp_path):
    for name in ("tools", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    page = ROOT / "docs/configs.md"
    first = page.read_text().splitlines().index("## From a folder of images to a detector")
    whole = page.read_text()
    assert all(words in whole for words in SHORTER)
    env = environment() | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for fence in read(page):
        text = fence.text
        for long, short in SHORTER.items():
            text = text.replace(long, short)
        if fence.line < first:
            continue
        if named := re.match(r"# (\S+\.py)\n", text):
            (tmp_path / named[1]).parent.mkdir(exist_ok=True)
            (tmp_path / named[1]).write_text(text)
        elif fence.language == "shell":
            done = subprocess.run(["bash", "-ec", text], cwd=tmp_path, env=env, capture_output=True, text=True)
            assert done.returncode == 0, f"{fence.place}\n{done.stderr[-3000:]}"
    for made in ("pretrain", "detect", "reconstructions", "detections"):
        assert list((tmp_path / "looked_at" / made).rglob("*.[pj][np]g")), made
    assert (tmp_path / "work_dirs/pretrain_12_segments/epoch_2.pth").is_file()
