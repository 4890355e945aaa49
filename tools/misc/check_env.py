"""Prints what is installed, and says what is missing, for which tasks it is needed and how to get it.

python tools/misc/check_env.py --require core,det,seg

Runs in a bare Python. Exit status 0 if every required task works (the core, unless told otherwise), else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import platform
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import machine

TASKS = {
    "core": "pre-training and classification",
    "det": "detection and instance segmentation",
    "seg": "semantic segmentation",
}
#: The tools of an installed package are called by name.
COMPILE_OPS = f"python {'-m mirl_mm install_mmcv' if '.mim' in Path(__file__).parts else 'tools/misc/install_mmcv.py'}"


@dataclass(frozen=True)
class Part:
    """A package that a task needs.

    Attributes:
        name: What it is called here.
        module: What has to be importable for it to work.
        tasks: The tasks that need it.
        remedy: How to get it.
        minimum: The oldest version that will do.
    """

    name: str
    module: str
    tasks: tuple[str, ...]
    remedy: str
    minimum: tuple[int, ...] = ()


ALL = ("core", "det", "seg")
PARTS = (
    Part("torch", "torch", ALL, machine.TORCH_REMEDY, (2, 4)),
    Part(
        "torchvision", "torchvision", ALL, f"one made for the installed torch; tried together: {machine.TORCH_REMEDY}"
    ),
    Part("numpy", "numpy", ALL, "pip install 'numpy>=1.26'", (1, 26)),
    Part("opencv", "cv2", ALL, "pip install opencv-python-headless (mmengine's runner imports it)"),
    Part("timm", "timm", ALL, "pip install 'timm>=1.0.15'", (1, 0, 15)),
    Part("mmengine", "mmengine.runner", ALL, "pip install 'onedl-mmengine>=0.10.12'", (0, 10, 12)),
    Part("mirl_mm", "mirl_mm.registry", ALL, "pip install -e ."),
    Part("mmcv", "mmcv", ("det", "seg"), COMPILE_OPS, (2, 3, 6)),
    Part("mmcv.ops", "mmcv.ops", ("det", "seg"), f"compile them for the installed torch: {COMPILE_OPS}"),
    Part("mmdet", "mmdet.registry", ("det",), "pip install 'onedl-mmdetection>=3.5.1,<4'", (3, 5, 1)),
    Part("mmseg", "mmseg.registry", ("seg",), "pip install 'onedl-mmsegmentation>=1.4.2,<2'", (1, 4, 2)),
)


@dataclass(frozen=True)
class Problem:
    """Something that keeps tasks from working.

    Attributes:
        part: The name of the part.
        what: What is wrong with it.
        tasks: The tasks that do not work for it.
        remedy: What to do.
    """

    part: str
    what: str
    tasks: tuple[str, ...]
    remedy: str


def version_numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``(2, 12, 1)`` for ``'2.12.1+cu130'``."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in found.group().split(".")) if found else ()


def load(module: str) -> tuple[str | None, str | None]:
    """Import a module; returns its package's version and, where the import fails, the error."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            importlib.import_module(module)
        return str(getattr(sys.modules[module.partition(".")[0]], "__version__", "?")), None
    except Exception as error:  # a broken extension raises whatever it likes
        return None, f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def check_part(part: Part, version: str | None, error: str | None) -> Problem | None:
    """What is wrong with a part, given what its import said."""
    if error is not None:
        root = part.module.partition(".")[0]
        absent = error == f"ModuleNotFoundError: No module named '{root}'"
        return Problem(part.name, "is not installed" if absent else error, part.tasks, part.remedy)
    numbers = version_numbers(version or "")
    if numbers and numbers < part.minimum:
        wanted = ".".join(map(str, part.minimum))
        return Problem(part.name, f"{version} is too old, {wanted} is needed", part.tasks, part.remedy)
    return None


def check_build(torch_version: str | None) -> list[Problem]:
    """What would keep mmcv's ops from being compiled here; asked where they are missing."""
    problems = []
    if torch_version is not None and version_numbers(torch_version)[:2] >= (2, 14):
        what = f"{torch_version} needs C++20, which mmcv does not compile with"
        problems.append(Problem("torch", what, ("det", "seg"), machine.TORCH_REMEDY))
    if machine.cxx_compiler() is None:
        what = "there is none, and mmcv's ops have to be compiled"
        problems.append(Problem("C++ compiler", what, ("det", "seg"), machine.COMPILER_REMEDY))
    if machine.python_headers() is None:
        what = "are missing, and mmcv's ops have to be compiled"
        problems.append(Problem("Python's headers", what, ("det", "seg"), machine.HEADERS_REMEDY))
    return problems


def describe_machine() -> dict[str, Any]:
    """The facts about the machine that decide what can be built and how fast it runs."""
    compiler = machine.cxx_compiler()
    memory = machine.memory_bytes()
    facts: dict[str, Any] = {
        "system": platform.platform(),
        "cpu": machine.cpu_name(),
        "cpu_flags": machine.cpu_flags(),
        "cores": machine.cores(),
        "memory_gib": None if memory is None else round(memory / 1024**3, 1),
        "cxx": None if compiler is None else machine.first_line(compiler, "--version"),
        "nvcc": machine.nvcc_version(),
        "torch_cuda": None,
        "gpus": [],
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda"):  # a failed import may leave half a module
        facts["torch_cuda"] = torch.version.cuda
        if torch.cuda.is_available():
            facts["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return facts


def examine(importer: Callable[[str], tuple[str | None, str | None]] = load) -> dict[str, Any]:
    """Look at everything.

    Args:
        importer: Imports a module and gives its version and error; replaced in tests.

    Returns:
        ``python``, ``parts`` (name to version or None), ``machine``, ``problems`` and ``tasks`` (name to bool).
    """
    problems = []
    if sys.version_info < (3, 10):  # noqa: UP036  it is for this that an older one runs us
        what = f"{platform.python_version()} is too old, 3.10 is needed"
        problems.append(Problem("python", what, ALL, "install a newer Python"))
    versions: dict[str, str | None] = {}
    for part in PARTS:
        versions[part.name], error = importer(part.module)
        problem = check_part(part, versions[part.name], error)
        if problem is not None:
            problems.append(problem)
    if versions["mmcv.ops"] is None:
        problems += check_build(versions["torch"])
    return {
        "python": platform.python_version(),
        "parts": versions,
        "machine": describe_machine(),
        "problems": [asdict(problem) for problem in problems],
        "tasks": {task: all(task not in problem.tasks for problem in problems) for task in TASKS},
    }


def report(found: dict[str, Any]) -> str:
    """The findings as text."""
    width = 14
    lines = [f"{'python':{width}}{found['python']}  ({sys.executable})"]
    broken = {problem["part"] for problem in found["problems"]}
    for name, version in found["parts"].items():
        lines.append(f"{name:{width}}{version or '-'}{'  <- see below' if name in broken else ''}")
    lines.append("")
    for name, value in found["machine"].items():
        text = ", ".join(value) if isinstance(value, list) else value
        lines.append(f"{name:{width}}{'-' if text in (None, '') else text}")
    lines.append("")
    for problem in found["problems"]:
        lines.append(f"{problem['part']}: {problem['what']}")
        lines.append(f"    needed for: {'; '.join(TASKS[task] for task in problem['tasks'])}")
        lines.append(f"    remedy: {problem['remedy']}")
    for task, works in found["tasks"].items():
        lines.append(f"{task:{width}}{'works' if works else 'does not work'}: {TASKS[task]}")
    return "\n".join(lines)


def required_tasks(text: str) -> list[str]:
    """Parse ``--require``."""
    tasks = text.split(",")
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown task {unknown[0]!r}; there are {', '.join(TASKS)}")
    return tasks


def main() -> int:
    """Examine, print, and say by the exit status whether the required tasks work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--require", type=required_tasks, default=["core"], help="tasks that must work, of core,det,seg (default: core)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = examine()
    print(json.dumps(found, indent=2) if options.json else report(found))
    return 0 if all(found["tasks"][task] for task in ["core", *options.require]) else 1


if __name__ == "__main__":
    sys.exit(main())
