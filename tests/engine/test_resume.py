"""A killed and resumed run ends with the same bits as one that was left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirl_mm.checkpoint.latest import latest_checkpoint
from tests.checkpoint.test_read_weights import Call
from tests.training import ROOT, environment, small_config, train, weights, write_images

pytestmark = pytest.mark.usefixtures("device")

KILLER = Path(__file__).with_name("killer.py")
EPOCHS = 6


class Killer:
    """The process of killer.py, which forks one for each training."""

    def __init__(self) -> None:
        command = [sys.executable, str(KILLER)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        env = environment() | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # looking for a GPU must not keep forks from it
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, **pipes)

    def train(self, *arguments: str | Path, **more) -> int:
        """Run tools/train.py; its exit code."""
        self.process.stdin.write(json.dumps({"arguments": list(map(str, arguments)), **more}) + "\n")
        self.process.stdin.flush()
        outcome = json.loads(self.process.stdout.readline())
        assert outcome["code"] in (0, -signal.SIGKILL), outcome["output"]
        return outcome["code"]


@pytest.fixture(scope="module")
def killer(device):
    killer = Killer()
    yield killer
    killer.process.communicate()


@pytest.fixture(scope="module")
def job(tmp_path_factory, killer) -> tuple[Path, dict]:
    """A config file of six epochs, and the weights of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("resume")
    root = write_images(folder / "data", 20)
    cfg = small_config(
        root,
        folder / "whole",
        train_cfg__max_epochs=EPOCHS,
        param_scheduler__end=EPOCHS,
        model__backbone__drop_path_rate=0.3,  # randomness of the model, too
    )
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    cfg.dump(folder / "config.py")
    assert killer.train(folder / "config.py") == 0
    return folder, torch.load(folder / "whole" / f"epoch_{EPOCHS}.pth", weights_only=False)


def assert_same_bits(expected: dict, work_dir: Path) -> None:
    result = torch.load(work_dir / f"epoch_{EPOCHS}.pth", weights_only=False)
    assert all(torch.equal(tensor, result["state_dict"][name]) for name, tensor in expected["state_dict"].items())
    for ours, theirs in zip(*(c["optimizer"]["state"].values() for c in (result, expected)), strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_kills_inside_checkpoint_writes(job, killer, tmp_path):
    folder, expected = job
    arguments = [folder / "config.py", "--work-dir", tmp_path, "--resume"]
    # Each file means one open, one fsync, one replace; an epoch writes two files: the checkpoint and its pointer.
    for trap in (("write", 3), ("fsync", 3), ("replace", 4), ("remove", 1)):
        before = latest_checkpoint(tmp_path)
        assert killer.train(*arguments, trap=trap) == -signal.SIGKILL
        after = latest_checkpoint(tmp_path)
        assert after is not None
        torch.load(after, weights_only=False)
        assert before is None or int(after[-5]) > int(before[-5])
    assert killer.train(*arguments) == 0
    assert_same_bits(expected, tmp_path)
    # What died before it could remove the outdated epoch 3 leaves it there; nothing half-written stays.
    assert sorted(path.name for path in tmp_path.glob("*.pth*")) == ["epoch_3.pth", f"epoch_{EPOCHS}.pth"]


def test_kills_at_random_moments(job, killer, tmp_path):
    folder, expected = job
    clock = random.Random(0)
    arguments = [folder / "config.py", "--work-dir", tmp_path, "--resume"]
    for _ in range(3):
        killer.train(*arguments, after=("Epoch(train)", clock.uniform(0, 0.4)))
    assert killer.train(*arguments) == 0
    assert_same_bits(expected, tmp_path)


def test_worker_processes_change_nothing(job, killer, tmp_path):
    folder, expected = job
    options = ("--work-dir", tmp_path, "--cfg-options", "train_dataloader.num_workers=3")
    assert killer.train(folder / "config.py", *options) == 0
    assert_same_bits(expected, tmp_path)


def test_moved_work_dir_resumes(tmp_path):
    root = write_images(tmp_path / "data", 8)
    train(small_config(root, tmp_path / "first", train_cfg__max_epochs=1))
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    assert latest_checkpoint(tmp_path / "copied") == str(tmp_path / "copied" / "epoch_1.pth")  # not the original's
    (tmp_path / "first").rename(tmp_path / "moved")
    assert latest_checkpoint(tmp_path / "moved") == str(tmp_path / "moved" / "epoch_1.pth")


def test_a_first_checkpoint_counts_without_its_pointer(tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    (tmp_path / "best_loss_epoch_9.pth").touch()
    assert latest_checkpoint(tmp_path) is None
    for name in ("epoch_9.pth", "epoch_10.pth"):
        torch.save({}, tmp_path / name)
    assert latest_checkpoint(tmp_path) == str(tmp_path / "epoch_10.pth")
    (tmp_path / "last_checkpoint").write_text("/moved/epoch_9.pth")
    assert latest_checkpoint(tmp_path) == str(tmp_path / "epoch_9.pth")


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path):
    root = write_images(tmp_path / "data", 8)
    train(small_config(root, tmp_path / "run", train_cfg__max_epochs=1))
    path = tmp_path / "run" / "epoch_1.pth"
    cfg = small_config(root, tmp_path / "other", model__decoder_embed_dims=32)
    cfg.load_from, cfg.resume = str(path), True
    with pytest.raises(ValueError, match=r"can't resume this model from .*epoch_1.pth: .*of another shape: .*embeds"):
        train(cfg)
    cfg = small_config(root, tmp_path / "another")
    torch.save({"state_dict": {"layer1.weight": torch.zeros(1)}, "meta": {}}, tmp_path / "resnet.pth")
    cfg.load_from = str(tmp_path / "resnet.pth")
    with pytest.raises(ValueError, match=r"resnet.pth' can't be used: the layout of its 1 names is unknown: layer1"):
        train(cfg)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"epoch_1.pth' \(\d+ bytes\) is no whole PyTorch checkpoint: truncated"):
        latest_checkpoint(tmp_path / "run")


def test_a_resumed_checkpoint_runs_nothing(tmp_path):
    root = write_images(tmp_path / "data", 8)
    train(small_config(root, tmp_path / "run", train_cfg__max_epochs=1))
    content = torch.load(tmp_path / "run/epoch_1.pth", weights_only=False)
    torch.save(content | {"evil": Call(os.mkdir, str(tmp_path / "made"))}, tmp_path / "evil.pth")
    cfg = small_config(root, tmp_path / "other")
    cfg.load_from, cfg.resume = str(tmp_path / "evil.pth"), True
    with pytest.raises(ValueError, match=r"can't resume from .*evil\.pth': .*GLOBAL posix\.mkdir"):
        train(cfg)
    assert not (tmp_path / "made").exists()


def test_weights_helper_reads_what_was_trained(tmp_path):
    root = write_images(tmp_path / "data", 8)
    model = train(small_config(root, tmp_path / "run"))
    saved = weights(tmp_path / "run")
    assert all(torch.equal(tensor.cpu(), saved[name]) for name, tensor in model.state_dict().items())


def test_the_end_of_a_training_is_called_so(tmp_path):
    cfg = small_config(write_images(tmp_path / "data", 4), tmp_path / "run", train_cfg__max_epochs=1)
    train(cfg)
    cfg.resume = True
    train(cfg)
    logs = "".join(path.read_text() for path in (tmp_path / "run").glob("*/*.log"))
    assert logs.count("epoch_1.pth is the end of this training, and nothing is left to do") == 1
