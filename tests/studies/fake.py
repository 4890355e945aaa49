"""A study whose steps take no time, run by a process of its own: ``python -m tests.studies.fake FOLDER BUDGET LENGTH``.

Each method has a training that adds up numbers, one at a time, into a file, and a test of it.
"""

import sys
from functools import cached_property
from pathlib import Path

from mirl_mm.studies import Step
from mirl_mm.studies.study import Running, run_study

#: Goes on where it was; a training of method "slow" waits to be killed at its third number, unless it was before.
TRAIN = """import pathlib, sys, time
folder, length = pathlib.Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(exist_ok=True)
file = folder / 'sum'
numbers = file.read_text().split() if file.exists() else []
with (folder / 'starts').open('a') as starts: starts.write(f'{len(numbers)} ')
for number in range(len(numbers), length):
    if number == 3 and sys.argv[3] == 'slow' and not numbers: time.sleep(60)
    with file.open('a') as out: out.write(f'{number} ')
(folder / 'trained').write_text(str(sum(map(int, file.read_text().split()))))"""
TEST = """import pathlib, sys
out = pathlib.Path(sys.argv[2]); out.mkdir(exist_ok=True)
(out / 'result').write_text(pathlib.Path(sys.argv[1], 'trained').read_text())"""


class Fake:
    """Two methods and two seeds."""

    def __init__(self, work_dir: Path, length: int = 6, seconds: float = 10.0, methods=("quick", "slow")) -> None:
        self.work_dir, self.length, self.seconds, self.methods = work_dir, length, seconds, methods

    @cached_property
    def steps(self) -> dict:
        found = {}
        for seed in (0, 1):
            for method in self.methods:
                name = f"{method}{seed}"
                folder = self.work_dir / name
                command = f'-c "{TRAIN}" {folder} {self.length + seed} {method}'
                train = Step(self.work_dir, name, name, command, self.seconds, "trained", kind="train")
                command = f'-c "{TEST}" {folder} {folder}_test'
                test = Step(self.work_dir, f"{name}_test", name, command, 1.0, "result", (train,))
                found[method, seed] = train, test
        return found

    @property
    def all_steps(self):
        return [step for pair in self.steps.values() for step in pair]

    @property
    def measurements(self):
        return []

    def bundles(self):
        return [[*self.steps["quick", seed], *self.steps["slow", seed]] for seed in (0, 1)]

    def config_of(self, step):
        raise AssertionError

    def table(self) -> dict[str, int]:
        done = [step for step in self.all_steps if step.done and step.makes == "result"]
        return {step.name: int((step.folder / "result").read_text()) for step in done}


if __name__ == "__main__":
    folder, budget, length = sys.argv[1:]
    study = Fake(Path(folder), int(length))
    running = Running([{}, {}], float(budget) or None)
    try:
        run_study(study, running, lambda: None)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    print(study.table())
