"""The scripts call torchrun or srun with what was asked for; a stand-in prints what it gets."""

import pytest

from tests.training import ROOT, run_tool


@pytest.mark.parametrize(
    ("tool", "arguments", "call"),
    [
        ("train", ["c.py", "--resume"], "tools/train.py c.py --launcher slurm --resume"),
        ("test", ["c.py", "w.pth", "--json", "m.json"], "tools/test.py c.py w.pth --launcher slurm --json m.json"),
    ],
)
def test_slurm(tmp_path, tool, arguments, call):
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    script = f"tools/slurm_{tool}.sh"
    outcome = run_tool(script, "gpu", "job", *arguments, python=["bash"], PATH=path, GPUS="16", SRUN_ARGS="--qos x")
    assert outcome.returncode == 0, outcome.stderr
    for part in ("-p gpu", "--job-name=job", "--gres=gpu:8", "--ntasks=16", "--ntasks-per-node=8", "--qos x", call):
        assert part in outcome.stdout


@pytest.mark.parametrize(
    ("tool", "arguments", "call"),
    [
        ("train", ["c.py", "2", "--resume"], "tools/train.py c.py --launcher pytorch --resume"),
        (
            "test",
            ["c.py", "w.pth", "2", "--json", "m.json"],
            "tools/test.py c.py w.pth --launcher pytorch --json m.json",
        ),
    ],
)
def test_torchrun(tool, arguments, call):
    outcome = run_tool(f"tools/dist_{tool}.sh", *arguments, python=["bash"], PYTHON="echo", PORT="29500", NNODES="3")
    assert outcome.returncode == 0, outcome.stderr
    for part in ("-m torch.distributed.run --nnodes 3", "--master_port 29500 --nproc_per_node 2", call):
        assert part in outcome.stdout


@pytest.mark.parametrize("script", ["dist_train", "dist_test", "slurm_train", "slurm_test"])
def test_too_few_arguments_show_the_usage(script):
    outcome = run_tool(f"tools/{script}.sh", "config.py", python=["bash"])
    assert outcome.returncode == 2
    assert f"tools/{script}.sh" in outcome.stderr
    assert (ROOT / "tools" / f"{script}.sh").stat().st_mode & 0o111
