"""Steps with tools that take no time: order, slots, stops, changes, failures."""

import signal
import subprocess
import sys
import time

import pytest

from mirl_mm.studies import Step, StepFailed, locked, running, seconds_of
from tests.training import environment

#: Writes when it began and ended, and then a file.
WORK = """-c "import sys, time, pathlib
folder, start = pathlib.Path(sys.argv[1]), time.time()
folder.mkdir(exist_ok=True)
time.sleep(float(sys.argv[2]))
(folder / 'runs').open('a').write(f'{start} {time.time()} ')
(folder / 'made').write_text('x')" """


def make_steps(folder, **needs):
    """Steps by name: what each needs, how long it takes, and what it does."""
    steps = {}
    for name, (before, seconds, *work) in needs.items():
        command = (work or [WORK])[0] + f" {folder / name} {seconds}"
        steps[name] = Step(folder, name, name, command, 1.0, "made", tuple(steps[it] for it in before))
    return steps


def run(steps):
    running.run_steps(list(steps.values()), slots=2)


def test_steps_wait_for_what_they_need_and_run_side_by_side(tmp_path, capsys):
    after_data = {"long": (("data",), 1.0), "after": (("long",), 0), "free": (("data",), 0.5), "third": (("data",), 0)}
    needs = {"data": ((), 0.1), **after_data}
    run(make_steps(tmp_path, **needs))
    times = {name: list(map(float, (tmp_path / name / "runs").read_text().split())) for name in needs}
    start, end = ({name: pair[i] for name, pair in times.items()} for i in (0, 1))
    assert all(start[name] >= end["data"] for name in ("long", "free", "third"))
    assert start["after"] >= end["long"]
    assert start["free"] < end["long"], "not side by side"
    assert start["third"] >= end["free"], "three at a time"
    again = make_steps(tmp_path, **needs)
    assert all(step.done for step in again.values()) and again["long"].wall >= 1
    run(again)
    assert "5 of 5 steps are done already" in capsys.readouterr().out
    assert len((tmp_path / "long/runs").read_text().split()) == 2


def test_what_changed_is_done_anew_with_what_follows_from_it(tmp_path, capsys):
    needs = {"data": ((), 0), "train": (("data",), 0), "probe": (("train",), 0), "other": (("data",), 0)}
    run(make_steps(tmp_path, **needs))
    (tmp_path / "train/old").write_text("weights")
    needs["train"] = (("data",), 0.01)
    run(make_steps(tmp_path, **needs))
    assert "2 of 4 steps are done already" in capsys.readouterr().out  # data and other
    assert not (tmp_path / "train/old").exists()
    (tmp_path / "probe/made").unlink()
    run(make_steps(tmp_path, **needs))
    assert "3 of 4 steps are done already" in capsys.readouterr().out
    assert (tmp_path / "probe/made").exists()


def test_a_failure_names_the_tool_and_stops_the_others(tmp_path):
    started = time.monotonic()
    with pytest.raises(StepFailed, match=r"(?s)^-c ended with exit code 1; .*bad\.log\n.*no such thing$"):
        run(make_steps(tmp_path, bad=((), 0, "-c 'raise SystemExit(\"no such thing\")'"), slow=((), 60)))
    assert time.monotonic() - started < 30
    assert not (tmp_path / "slow/made").exists()
    steps = make_steps(tmp_path, bad=((), 0), slow=((), 60))
    assert not steps["slow"].done and len(steps["slow"].spans) == 1
    steps = make_steps(tmp_path, bad=((), 0), slow=((), 0))
    run(steps)
    assert all(step.done for step in steps.values())


def test_a_failure_of_a_command_of_ours_names_the_command(tmp_path):
    with pytest.raises(StepFailed, match=r"(?s)^mirl_mm nothing ended with exit code 1; .*error: no tool 'nothing'"):
        run({"bad": Step(tmp_path, "bad", "bad", "-m mirl_mm nothing", 1.0)})


def test_ctrl_c_ends_the_tools_and_the_next_call_goes_on_without_the_pause(tmp_path, monkeypatch):
    def impatient(self, shown):
        if any(step.name == "two" for step in shown) and (tmp_path / "two").is_dir():
            raise KeyboardInterrupt

    def stopped_in_two():
        steps = make_steps(tmp_path, one=((), 0), two=(("one",), 60))
        before = seconds_of(list(steps.values()))
        with pytest.raises(KeyboardInterrupt):
            run(steps)
        assert steps["two"].process.returncode is not None
        return before, steps["two"].spans

    monkeypatch.setattr(running.Display, "show", impatient)
    stopped_in_two()
    (tmp_path / "two/checkpoint").write_text("x")
    time.sleep(1)
    before, (first, second) = stopped_in_two()
    assert (tmp_path / "two/checkpoint").exists(), "begun afresh"
    assert first[0] <= first[1] == before <= second[0] < before + 0.5, "the pause counts"


def test_a_second_study_waits_for_the_first_ones_tools(tmp_path):
    """Should it be killed, they go on, with its lock."""
    script = f"""
import os, pathlib
from mirl_mm.studies import Step, locked
folder = pathlib.Path({str(tmp_path)!r})
with locked(folder / "lock", "nobody") as lock:
    Step(folder, "a", "a", "-c 'import time; time.sleep(3)'", 1.0).start(0.0, (lock,))
    os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, timeout=60)
    started = time.monotonic()
    with locked(tmp_path / "lock", "the first"):
        assert time.monotonic() - started > 1
