"""The demo's scheduler, with steps that take no time: order, slots, stops, changes, failures, and the time left."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.tools.scripts import load_demo, load_script
from tests.training import ROOT, environment

step_module = load_demo("step")
Command, Ledger, Step = step_module.Command, step_module.Ledger, step_module.Step
running, scheduler, estimate = load_demo("running"), load_demo("scheduler"), load_demo("estimate")
times, plan = load_demo("times"), load_demo("plan")

#: Writes a file, and when it began and ended into another one.
WORK = """
import sys, time, pathlib
folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
folder.mkdir(exist_ok=True)
start = time.time()
time.sleep(seconds)
with (folder / "runs").open("a") as file:
    file.write(f"{start} {time.time()}\\n")
(folder / "made").write_text("x")
"""


def make_step(folder, name, needs=(), script=WORK, seconds=0.0, commands=1, configs=()):
    words = ("-c", script, str(folder / name), str(seconds))
    return Step(name, name, (Command(words, 1.0),) * commands, folder / name, (folder / name / "made",), needs, configs)


class Silent:
    """A display that shows nothing, but keeps what it is told."""

    def __init__(self):
        self.left = []

    def begin(self, done, total):
        self.done, self.total = done, total

    def started(self, step): ...

    def finished(self, each): ...

    def show(self, running, left):
        self.left.append(left)

    def end(self): ...


def run(folder, steps, slots=2):
    display = Silent()
    ledger = Ledger.open(folder / "steps", steps)
    scheduler.run_steps(steps, ledger, slots, display)
    return ledger, display


def spans(folder, name):
    lines = (folder / name / "runs").read_text().splitlines()
    return [tuple(map(float, line.split())) for line in lines]


def test_steps_wait_for_what_they_need_and_run_side_by_side(tmp_path):
    steps = [
        make_step(tmp_path, "data", seconds=0.1),
        make_step(tmp_path, "long", ("data",), seconds=1.0),
        make_step(tmp_path, "after", ("long",)),
        make_step(tmp_path, "free", ("data",), seconds=0.5),
        make_step(tmp_path, "third", ("data",)),
    ]
    ledger, display = run(tmp_path, steps)
    assert all(map(ledger.is_done, steps))
    found = {step.name: spans(tmp_path, step.name)[0] for step in steps}
    assert all(found[name][0] >= found["data"][1] for name in ("long", "free", "third"))
    assert found["after"][0] >= found["long"][1]
    assert found["free"][0] < found["long"][1], "not side by side"
    assert found["third"][0] >= found["free"][1], "three at a time"
    assert display.left[-1] == 0
    again, display = run(tmp_path, steps)
    assert display.left == [] and display.done == 5
    assert again.records == ledger.records
    assert len(spans(tmp_path, "long")) == 1


def test_what_changed_is_done_anew_with_what_follows_from_it(tmp_path):
    config = tmp_path / "config.py"
    config.write_text("a = 1\n")
    steps = [
        make_step(tmp_path, "data"),
        make_step(tmp_path, "train", ("data",), configs=(config,)),
        make_step(tmp_path, "probe", ("train",)),
        make_step(tmp_path, "other", ("data",)),
    ]
    run(tmp_path, steps)
    (tmp_path / "train/old").write_text("weights")
    config.write_text("a = 2\n")
    _, display = run(tmp_path, steps)
    assert display.done == 2  # data and other
    assert not (tmp_path / "train/old").exists()
    (tmp_path / "probe/made").unlink()
    _, display = run(tmp_path, steps)
    assert display.done == 3 and (tmp_path / "probe/made").exists()


def test_a_failure_names_the_tool_and_stops_the_others(tmp_path):
    steps = [
        make_step(tmp_path, "bad", script="raise SystemExit('no such thing')"),
        make_step(tmp_path, "slow", seconds=60),
    ]
    started = time.monotonic()
    with pytest.raises(running.StepFailed, match=r"(?s)^-c ended with exit code 1; .*bad\.log\n.*\nno such thing$"):
        run(tmp_path, steps)
    assert time.monotonic() - started < 30
    assert not (tmp_path / "slow/made").exists()
    record = json.loads((tmp_path / "steps/slow.json").read_text())
    assert record["commands"] == 0 and len(record["spans"]) == 1
    steps[0] = make_step(tmp_path, "bad")
    steps[1] = make_step(tmp_path, "slow")
    ledger, _ = run(tmp_path, steps)
    assert all(map(ledger.is_done, steps))


def test_ctrl_c_ends_the_tools_and_commands_done_are_not_repeated(tmp_path):
    once = "import pathlib, sys, time\nf = pathlib.Path(sys.argv[1])\nf.mkdir()"  # fails the second time
    wait = "import pathlib, sys, time\nf = pathlib.Path(sys.argv[1])\n(f / 'made').exists() or time.sleep(60)"
    commands = tuple(Command(("-c", script, str(tmp_path / "two")), 1.0) for script in (once, wait))
    steps = [Step("two", "two", commands, tmp_path / "two", (tmp_path / "two/made",))]
    ledger = Ledger.open(tmp_path / "steps", steps)

    class Impatient(Silent):
        def show(self, running, left):
            if running and running[0][0].record.commands == 1:
                self.process = running[0][0].process
                raise KeyboardInterrupt

    display = Impatient()
    with pytest.raises(KeyboardInterrupt):
        scheduler.run_steps(steps, ledger, 2, display)
    assert display.process.returncode is not None
    (tmp_path / "two/made").write_text("x")
    ledger, _ = run(tmp_path, steps)
    assert ledger.is_done(steps[0])
    assert len(ledger.records["two"].spans) == 3


def test_a_second_demo_waits_for_the_first_ones_tools(tmp_path):
    """Should it be killed, they go on, with its lock."""
    script = f"""
import sys, os, pathlib
sys.path.insert(0, {str(ROOT / "tools")!r})
from demo.running import RunningStep
from demo.step import Command, Record, Step
from misc.setup_env import locked
folder = pathlib.Path({str(tmp_path)!r})
with locked(folder / "lock", "nobody") as lock:
    step = Step("a", "a", (Command(("-c", "import time; time.sleep(3)"), 1.0),), folder, ())
    RunningStep(step, Record(""), folder / "log", (lock,))
    print("started", flush=True)
    os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, timeout=60)
    started = time.monotonic()
    with load_script("setup_env").locked(tmp_path / "lock", "the first"):
        assert time.monotonic() - started > 1


@pytest.mark.parametrize(
    ("line", "epochs", "fraction"),
    [
        ("INFO - Epoch(train) [2][ 25/250]  lr: 1e-3  loss: 0.5", 4, 0.275),
        ("INFO - Iter(train) [ 50/200]  lr: 1e-3  loss: 0.5", 0, 0.25),
        ("INFO - Epoch(val) [2][4/4]  accuracy/top1: 30", 4, None),
        ("INFO - Epoch(train) [2][ 25/250]", 0, None),
        ("Saving checkpoint at 1 epochs", 4, None),
    ],
)
def test_progress_is_read_from_the_log(line, epochs, fraction):
    assert running.training_fraction(line, epochs) == (None if fraction is None else pytest.approx(fraction))


def test_the_time_left_is_that_of_the_slots(tmp_path):
    waiting = [make_step(tmp_path, name, needs) for name, needs in [("a", ("p",)), ("b", ("p",)), ("c", ()), ("d", ())]]
    seconds = {"a": 30.0, "b": 10.0, "c": 20.0, "d": 5.0}
    # p until 40; beside it c until 20 and d until 25; then a beside b.
    assert estimate.end_of_all({"p": 40.0}, waiting, seconds, slots=2) == 70
    assert estimate.end_of_all({"p": 40.0}, waiting, seconds, slots=1) == 105
    assert estimate.end_of_all({}, [], {}, slots=2) == 0


def test_pauses_do_not_count(tmp_path):
    record = step_module.Record
    records = {"a": record("", spans=[(100.0, 110.0), (500.0, 505.0)]), "b": record("", spans=[(105.0, 112.0)])}
    places, total = times.timeline(records)
    assert total == 17
    assert places == {"a": [(0, 10), (12, 17)], "b": [(5, 12)]}
    assert records["a"].wall == 15


def test_the_plan_is_what_it_says():
    settings = plan.Settings(plan.Path("work_dirs/demo"))
    steps = plan.make_plan(settings)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    done = set()
    for step in steps:
        assert set(step.needs) <= done, "a step comes before what it needs"
        done.add(step.name)
        assert all((ROOT / command.words[0]).is_file() for command in step.commands)
        assert all(path.is_file() for path in step.configs)
    by_name = {step.name: step for step in steps}
    for task in settings.tasks:
        mirl, random = (by_name[f"{task.name}_{start}"].commands[0] for start in ("mirl", "random"))
        rest = str(mirl).replace(f" --pretrained {settings.checkpoint}", "").replace("_mirl ", "_random ")
        assert rest == str(random), "more than the start differs"
        assert mirl.seconds == random.seconds


def test_all_inherited_configs_count():
    files = {path.name for path in plan.config_files(plan.CONFIGS / "mirl_det_shapes.py")}
    assert {"mirl_det_shapes.py", "mirl_vitb_coco.py", "mmlab_runtime.py"} <= files
