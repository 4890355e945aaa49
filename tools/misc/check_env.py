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
import os
import platform
import re
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

TASKS = {
    "core": "pre-training and classification",
    "det": "detection and instance segmentation",
    "seg": "semantic segmentation",
}
#: What has to be importable, and for which tasks.
PARTS = {
    "torch": ("core",),
    "torchvision": ("core",),
    "numpy": ("core",),
    "cv2": ("core",),
    "timm": ("core",),
    "mmengine.runner": ("core",),
    "mirl_mm.registry": ("core",),
    "mmcv.ops": ("det", "seg"),
    "mmdet.registry": ("det",),
    "mmseg.registry": ("seg",),
}
INSTALL = "pip install 'mirl_mm[{}]'" if ".mim" in Path(__file__).parts else "pip install -e '.[{}]'"
#: All of them put their `cv2` in one place.
OPENCV = [f"opencv-{kind}python{head}" for kind in ("", "contrib-") for head in ("", "-headless")]
ONE_OPENCV = f"pip uninstall -y {' '.join(OPENCV)}; pip install opencv-python-headless"
REMEDIES = {
    "torchvision": "install one made for this torch: pip install --upgrade torch torchvision",
    "cv2": f"{ONE_OPENCV} (which needs no libGL)",
}


def problem(part: str, what: str, tasks: tuple[str, ...], remedy: str | None = None) -> dict[str, Any]:
    """Something that keeps tasks from working; without the core, none does."""
    extras = "det,seg" if "core" in tasks else ",".join(tasks)
    tasks = tuple(TASKS) if "core" in tasks else tasks
    return {"part": part, "what": what, "tasks": tasks, "remedy": remedy or INSTALL.format(extras)}


def load(module: str) -> tuple[str | None, str | None]:
    """Import a module; returns its package's version and, where the import fails, the error."""
    root = module.partition(".")[0]
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            importlib.import_module(module)
        return str(sys.modules[root].__version__), None
    except Exception as error:  # a broken extension raises whatever it likes
        if isinstance(error, ModuleNotFoundError) and error.name == root:
            return None, "is not installed"
        return None, f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def opencv_versions() -> dict[str, str]:
    """The installed distributions that have a `cv2`, and their versions."""
    found = {}
    for name in OPENCV:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def outside_ranges() -> list[dict[str, Any]]:
    """Installed packages of which mirl_mm wants another version."""
    try:
        from packaging.requirements import Requirement

        wanted = [Requirement(text) for text in metadata.requires("mirl_mm") or ()]
    except (ImportError, metadata.PackageNotFoundError):
        return []  # which is a problem of its own
    problems = []
    for one in wanted:
        tasks = tuple(task for task in TASKS if one.marker is None or one.marker.evaluate({"extra": task}))
        with contextlib.suppress(metadata.PackageNotFoundError):
            have = metadata.version(one.name)
            if tasks and not one.specifier.contains(have, prereleases=True):
                fit = f"{one.name}{one.specifier}"
                problems.append(problem(one.name, f"{have} is not {one.specifier}", tasks, f"pip install '{fit}'"))
    return problems


def describe_machine() -> dict[str, Any]:
    """The facts about the machine that decide how fast it runs."""
    cpuinfo = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    facts: dict[str, Any] = {
        "system": platform.platform(),
        "cpu": name.group(1) if name else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
    try:
        facts["jpegs"] = f"simplejpeg {metadata.version('simplejpeg')}"
    except metadata.PackageNotFoundError:
        facts["jpegs"] = "PIL; pip install simplejpeg decodes them faster"
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda"):  # a failed import may leave half a module
        facts["instructions"] = torch.backends.cpu.get_cpu_capability()
        facts["torch_cuda"] = torch.version.cuda
        facts["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return facts


def examine(importer: Callable[[str], tuple[str | None, str | None]] = load) -> dict[str, Any]:
    """Look at everything.

    Args:
        importer: Imports a module and gives its version and error; replaced in tests.

    Returns:
        ``python``, ``parts`` (name to version or None), ``opencv`` and ``mmcv_ops`` (where ``cv2`` and mmcv's ops come
        from), ``machine``, ``problems`` and ``tasks`` (name to bool).
    """
    problems = []
    if sys.version_info < (3, 10):  # noqa: UP036  it is for this that an older one runs us
        what = f"{platform.python_version()} is too old, 3.10 is needed"
        problems.append(problem("python", what, ("core",), "install a newer Python"))
    versions: dict[str, str | None] = {}
    for module, tasks in PARTS.items():
        name = module.partition(".")[0]
        versions[name], error = importer(module)
        if error is not None:
            remedy = None if error == "is not installed" else REMEDIES.get(name)
            problems.append(problem(name, error, tasks, remedy))
    opencv = opencv_versions()
    if len(set(opencv.values())) > 1:
        what = f"{', '.join(map(' '.join, opencv.items()))} are mixed in one place"
        problems.append(problem("cv2", what, ("core",), ONE_OPENCV))
    problems += outside_ranges()
    source = None
    if versions["mmcv"] is not None:
        from mirl_mm.mmcv_ops import source as find_source

        source = find_source()
    return {
        "python": platform.python_version(),
        "parts": versions,
        "opencv": opencv,
        "mmcv_ops": source,
        "machine": describe_machine(),
        "problems": problems,
        "tasks": {task: all(task not in problem["tasks"] for problem in problems) for task in TASKS},
    }


def report(found: dict[str, Any]) -> str:
    """The findings as text."""
    broken = {problem["part"] for problem in found["problems"]}
    lines = [("python", f"{found['python']}  ({sys.executable})")]
    notes = {"cv2": ", ".join(found["opencv"]), "mmcv": found["mmcv_ops"] and f"ops: {found['mmcv_ops']}"}
    for name, version in found["parts"].items():
        note = "  <- see below" if name in broken else f"  ({notes[name]})" if notes.get(name) else ""
        lines.append((name, f"{version or '-'}{note}"))
    for name, value in found["machine"].items():
        lines.append((name, ", ".join(value) if isinstance(value, list) else value))
    text = [f"{name:14}{value or '-'}" for name, value in lines]
    for one in found["problems"]:
        text += ["", f"{one['part']}: {one['what']}"]
        text += [f"    needed for: {'; '.join(TASKS[task] for task in one['tasks'])}", f"    remedy: {one['remedy']}"]
    text.append("")
    for task, works in found["tasks"].items():
        text.append(f"{task:14}{'works' if works else 'does not work'}: {TASKS[task]}")
    return "\n".join(text)


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
