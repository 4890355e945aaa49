"""Two processes with half the batch each do what one process does with the whole."""

import sys

import torch

from tests.training import run_tool, small_config, weights, write_images

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port"]


def test_two_processes_equal_one(tmp_path):
    root = write_images(tmp_path / "data", 16)
    cfg = small_config(root, tmp_path / "one", train_dataloader__batch_size=8, optim_wrapper__optimizer__lr=1e-3)
    cfg.dump(tmp_path / "config.py")
    one = run_tool("tools/train.py", tmp_path / "config.py")
    assert one.returncode == 0, one.stderr[-2000:]
    arguments = [tmp_path / "config.py", "--work-dir", tmp_path / "two", "--launcher", "pytorch"]
    options = ["--cfg-options", "train_dataloader.batch_size=4"]
    two = run_tool("tools/train.py", *arguments, *options, python=[*TORCHRUN, "29611"])
    assert two.returncode == 0, two.stderr[-2000:]
    assert "4 images x" not in two.stderr  # the rate counts the images of both: 8 per update
    expected, measured = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, tensor in expected.items():
        torch.testing.assert_close(measured[name], tensor, rtol=0, atol=1e-5, msg=name)


def test_two_processes_resume_and_test(tmp_path):
    root = write_images(tmp_path / "data", 9)  # an odd number: the last sample is repeated
    (root / "train").rename(root / "val")
    write_images(root, 8)
    cfg = small_config(root, tmp_path / "run", train_dataloader__batch_size=2, train_cfg__max_epochs=1)
    cfg.dump(tmp_path / "config.py")
    launch = ["--work-dir", tmp_path / "run", "--launcher", "pytorch"]
    first = run_tool("tools/train.py", tmp_path / "config.py", *launch, python=[*TORCHRUN, "29612"])
    assert first.returncode == 0, first.stderr[-2000:]
    more = ["--resume", "--cfg-options", "train_cfg.max_epochs=2"]
    second = run_tool("tools/train.py", tmp_path / "config.py", *launch, *more, python=[*TORCHRUN, "29613"])
    assert second.returncode == 0, second.stderr[-2000:]
    assert weights(tmp_path / "run").keys() == weights(tmp_path / "run", 1).keys()
