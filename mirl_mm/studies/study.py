"""A study's run: adopts, refuses changed settings, measures, says what fits, does it."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from rich import box
from rich.console import Console
from rich.table import Table

from mirl_mm.text import counted

from .adopting import adopt
from .budget import choose, expected_seconds
from .running import duration, locked, run_steps
from .step import Step, StepFailed


class Study:
    """A grid of steps, with a folder where everything goes."""

    work_dir: Path

    @property
    def steps(self) -> Mapping[Any, Step]:
        """By what they are of."""
        raise NotImplementedError

    @property
    def all_steps(self) -> Sequence[Step]:
        """Each after those that it needs."""
        return list(self.steps.values())

    @property
    def measurements(self) -> Sequence[Step]:
        """Short steps from which the others' ``seconds`` follow; none where these are not foreseen."""
        return []

    def bundles(self) -> Sequence[Sequence[Step]]:
        """Steps that are worth having only together, by falling value."""
        raise NotImplementedError

    def config_of(self, step: Step) -> Config:
        """The config that a training's step is run with, with its length and its options."""
        raise NotImplementedError


class Running(NamedTuple):
    """How a study is run.

    Attributes:
        slots: For each step at a time, variables of its processes.
        seconds: The budget, if there is one.
        plan: Only say what would be done.
        collect: Do nothing.
        adopted: Names of steps to finished work dirs.
    """

    slots: Sequence[Mapping[str, str]]
    seconds: float | None = None
    plan: bool = False
    collect: bool = False
    adopted: Mapping[str, Path] = {}


def gpu_slots(jobs: int) -> list[dict[str, str]]:
    """For each of ``jobs`` processes its GPU, in turn; nothing where there is none."""
    if not torch.cuda.is_available():
        return [{} for _ in range(jobs)]
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = seen.split(",") if seen else [str(number) for number in range(torch.cuda.device_count())]
    return [{"CUDA_VISIBLE_DEVICES": names[job % len(names)]} for job in range(jobs)]


def run_study(study: Study, running: Running, expect: Callable[[], None] | None = None) -> None:
    """Do what is not done yet of a study, or what of it fits into the budget.

    Args:
        study: The grid.
        running: How.
        expect: Sets each step's ``seconds``, once the measurements are done; without it nothing is foreseen.

    Raises:
        ValueError: If steps were run with other settings than now, with the differences; for a step to adopt that the
            study does not have; if a tool failed.
        SystemExit: If the user stops it.
    """
    check_unchanged(study)
    if running.collect:
        return
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends us as Ctrl-C does, and the tools with us
        signal.signal(number, signal.default_int_handler)
    try:
        with locked(study.work_dir / "lock", f"another run of the study in {study.work_dir}") as lock:
            _run(study, running, expect, lock)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.")
        raise SystemExit(130) from None


def check_unchanged(study: Study) -> None:
    """Refuse a grid in which steps that were begun have other settings now.

    Raises:
        ValueError: With each difference.
    """
    changed = [f"{step.name}: {'; '.join(step.changed[:5])}" for step in study.all_steps if step.changed]
    if changed:
        raise ValueError(
            f"'{study.work_dir}' has {len(changed)} steps that were run with other settings:\n  "
            + "\n  ".join(changed[:10])
            + "\nGive the settings of then, or another --out-dir; or delete a step's folder and its file in "
            "steps/ to do it again"
        )


def _run(study: Study, running: Running, expect: Callable[[], None] | None, lock: int) -> None:
    named = {step.name: step for step in study.all_steps}
    for name, folder in running.adopted.items():
        if name not in named or not named[name].config:
            known = ", ".join(step.name for step in study.all_steps if step.config)
            raise ValueError(f"--adopt {name}: the study has no such training, but {known}")
        adopt(named[name], folder, study.config_of(named[name]))
    if all(step.done for step in study.all_steps):
        return
    for step in study.all_steps:
        if step.config and not step.done:
            study.config_of(step)  # refuses what can't be set, before anything is measured
    slots, chosen, budget = len(running.slots), list(study.all_steps), ""
    if expect:
        _refuse(run_steps(study.measurements, running.slots, (lock,), patient=True))
        expect()
        if running.seconds is not None:
            chosen = choose(study.bundles(), slots, running.seconds)
            budget = f", of a budget of {duration(running.seconds)}"
        table = Table("step", "expected", "", box=box.SIMPLE)
        for step in study.all_steps:
            state = "done" if step.done else "to do" if step in chosen else "does not fit"
            if state == "to do" and step.spans:
                state = f"goes on at {step.progress()[0]:.0%}"
            table.add_row(step.name, "" if step.done else duration(step.seconds), state)
        Console().print(table)
        number, seconds = sum(not step.done for step in chosen), expected_seconds(chosen, slots)
        print(f"{number} steps to do, {duration(seconds)} expected with {slots} at a time{budget}", flush=True)
    if running.plan:
        return
    end = None if running.seconds is None else time.monotonic() + running.seconds

    def fits(step: Step) -> bool:
        return end is None or time.monotonic() + step.seconds * (1 - step.progress()[0]) <= end

    _refuse(run_steps(chosen, running.slots, (lock,), fits, patient=True))


def _refuse(failures: Sequence[StepFailed]) -> None:
    if failures:
        said = "\n".join(map(str, failures))
        raise ValueError(f"{counted(len(failures), 'step')} failed, the others are done:\n{said}")
