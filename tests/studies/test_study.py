"""A grid with quick steps: killed and gone on with, changed settings, budgets, failures."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mirl_mm.studies import Step
from mirl_mm.studies.budget import choose, correct, expected_seconds
from mirl_mm.studies.study import Running, check_unchanged, gpu_slots, run_study
from tests.studies.fake import Fake
from tests.training import ROOT, environment

WHOLE = {"quick0_test": 15, "slow0_test": 15, "quick1_test": 21, "slow1_test": 21}


def go_on(folder, budget=0, length=6):
    command = [sys.executable, "-m", "tests.studies.fake", folder, str(budget), str(length)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so do their children: the tests may run as one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(path):
    deadline = time.monotonic() + 100
    while not path.exists() or len(path.read_text().split()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_study_goes_on_and_gives_the_same_table(tmp_path):
    """Twice: its own process alone, whose tools live on until they are ended, too; then by Ctrl-C."""
    for name, number in (("slow0", signal.SIGKILL), ("slow1", signal.SIGINT)):
        process = go_on(tmp_path)
        wait_for(tmp_path / name / "sum")
        os.kill(process.pid, number)
        if number == signal.SIGKILL:
            (left,) = subprocess.check_output(["pgrep", "-f", f"{tmp_path / name} "], text=True).split()
            os.kill(int(left), number)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == (-number if number == signal.SIGKILL else 130), errors
    assert output.endswith("Stopped. The same command goes on from here.\n")
    study = Fake(tmp_path)
    run_study(study, Running([{}, {}]))
    assert study.table() == WHOLE
    starts = {name: (tmp_path / name / "starts").read_text().split() for name in ("quick0", "slow0", "slow1")}
    assert starts["slow0"] == starts["slow1"] == ["0", "3"], "not resumed, or done twice"
    assert starts["quick0"] in (["0"], ["0", "6"]), "done twice"  # it may have ended after its study's kill, unseen


def test_a_changed_setting_is_noticed(tmp_path):
    study = Fake(tmp_path, methods=("quick",))
    study.bundles = lambda: []
    run_study(study, Running([{}]))
    assert study.table() == {"quick0_test": 15, "quick1_test": 21}
    check_unchanged(Fake(tmp_path, methods=("quick",)))
    with pytest.raises(ValueError, match=r"(?s)4 steps that were run with other.*quick0: command: .*another --out-dir"):
        run_study(Fake(tmp_path, 7, methods=("quick",)), Running([{}]))
    assert study.table() == {"quick0_test": 15, "quick1_test": 21}, "something was done"


def test_a_config_that_changed_is_named_by_its_key(tmp_path):
    config = tmp_path / "config.py"
    for text, changed in (
        ("a = dict(b=1)", []),
        ("a = dict(b=1)  # same", []),
        ("a = dict(b=2)", ["config.a.b: 1, now 2"]),
    ):
        config.write_text(text)
        step = Step(tmp_path, "x", "x", "-c 'pass'", 1.0, config=config)
        assert step.changed == changed
        step.keep()


def test_a_failed_step_is_told_at_the_end_and_the_others_are_done(tmp_path):
    study = Fake(tmp_path, methods=("quick",))
    bad = Step(tmp_path, "bad", "bad", "-c 'raise SystemExit(\"no such thing\")'", 1.0)
    after = Step(tmp_path, "after", "after", "-c 'pass'", 1.0, needs=(bad,))
    study.steps[0, 0] = bad, after
    with pytest.raises(ValueError, match=r"(?s)^1 step failed.*bad\.log\nno such thing"):
        run_study(study, Running([{}]))
    assert study.table() == {"quick0_test": 15, "quick1_test": 21}
    assert not after.spans


def test_a_budget_takes_the_most_valuable_whole(tmp_path, capsys):
    study = Fake(tmp_path)
    first, second = study.bundles()
    assert expected_seconds(study.all_steps, 1) == 44
    assert expected_seconds(first, 2) == 11
    assert choose(study.bundles(), 1, 30) == first
    assert choose(study.bundles(), 1, 21) == [], "half of a comparison"
    assert choose(study.bundles(), 2, 22) == [*first, *second]
    run_study(study, Running([{}], 30, plan=True), lambda: None)
    said = capsys.readouterr().out
    assert "4 steps to do, 22 s expected with 1 at a time, of a budget of 30 s" in said
    assert said.count("to do") == 5 and said.count("does not fit") == 4
    assert not list(tmp_path.glob("*/starts"))


def test_nothing_is_started_that_would_not_end_in_time(tmp_path, capsys):
    study = Fake(tmp_path, methods=("quick",))
    study.bundles = lambda: [study.all_steps]

    def underestimate():
        for step in study.all_steps:
            step.seconds = 15.0 if step is study.all_steps[-1] else 0.05  # less than Python's start takes

    run_study(study, Running([{}], 15.2), underestimate)
    assert [step.done for step in study.all_steps] == [True, True, True, False]


def test_what_steps_took_is_expected_of_their_like(tmp_path):
    study = Fake(tmp_path)
    done = study.steps["quick", 0][0]
    done.ended, done.spans, done.makes = True, [[5.0, 35.0]], ""
    correct(study.all_steps)
    assert [step.seconds for step in study.all_steps] == [30, 1] * 4


def test_each_process_has_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert gpu_slots(3) == [{"CUDA_VISIBLE_DEVICES": number} for number in ("2", "5", "2")]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu_slots(2) == [{}, {}]
