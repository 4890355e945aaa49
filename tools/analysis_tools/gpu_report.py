"""Answers on one borrowed GPU, in minutes, how fast everything is there, and whether it computes the same.

Each part is a process of its own with a limit of its own, and two at a time: while one compiles, another measures. What
is found is in the work dir as soon as it is there: report.json and report.md, which a cut run has, too. Needs no
network, and of packages torch, torchvision, timm, mmengine and OpenCV; what needs mmdet or mmseg is left out without.

    python tools/analysis_tools/gpu_report.py
    python tools/analysis_tools/gpu_report.py --parts golden attention s54-512
    python tools/analysis_tools/gpu_report.py --rehearse           # small and on the CPU: everything but the device
    python tools/analysis_tools/gpu_report.py --into docs/speed.md # put the last report into the page
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

STARTED = time.time()
ROOT = Path(__file__).resolve().parents[2]
if (ROOT / "mirl_mm").is_dir():  # a checkout is measured as it is, installed or not
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

from gpu_report.plan import PARTS, Part, check_packages, find_parts  # noqa: E402
from gpu_report.schedule import expected_seconds  # noqa: E402

from mirl_mm.cli import HelpFormatter  # noqa: E402
from mirl_mm.errors import one_line_errors  # noqa: E402

WORK_DIR = ROOT / "work_dirs/gpu_report"
#: For all parts: an H100's seven, and a rehearsal's on two cores.
MINUTES, MINUTES_OF_REHEARSAL = 7.0, 60.0
#: Seconds for a part of a rehearsal, on whatever machine.
LIMIT_OF_REHEARSAL = 600.0
H100 = 85.0  # GB


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    names = [part.name for part in PARTS]
    parser.add_argument(
        "--parts", nargs="+", default=names, metavar="NAME", help=f"of {', '.join(names)} (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="show the parts and how long they take, and run none")
    parser.add_argument("--work-dir", type=Path, default=WORK_DIR, help="for results; parts of earlier runs stay in it")
    parser.add_argument("--rehearse", action="store_true", help="small sizes, on the CPU")
    parser.add_argument("--minutes", type=float, help=f"for all parts (default: {MINUTES:g})")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="for each part (default: that of --list)")
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time; only one measures at a time")
    parser.add_argument(
        "--into", type=Path, metavar="PAGE", help="put the work dir's report into this page, and run none"
    )
    parser.add_argument("--part", choices=names, metavar="NAME", help="do one part in this process, without a limit")
    args = parser.parse_args()
    if args.jobs < 1 or any(number is not None and number <= 0 for number in (args.minutes, args.limit)):
        parser.error("--jobs, --minutes and --limit must be positive")
    args.work_dir = args.work_dir.resolve()
    return args


def main() -> None:
    args = parse_args()
    parts = find_parts(args.parts)
    check_packages()
    if args.part:
        from gpu_report.bench import run_part

        run_part(args.work_dir, find_parts([args.part])[0], args.rehearse)
    elif args.into:
        insert(args.work_dir, args.into)
    elif args.list:
        show_plan(parts, args.jobs, H100)
    else:
        run(args, parts)


def run(args: argparse.Namespace, parts: list[Part]) -> None:
    """Run parts, and write and show the report."""
    from gpu_report.report import show, write
    from gpu_report.running import Settings, run_parts

    memory = gpu_memory(args.rehearse)
    minutes = args.minutes or (MINUTES_OF_REHEARSAL if args.rehearse else MINUTES)
    limit = args.limit or (LIMIT_OF_REHEARSAL if args.rehearse else None)
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends us as Ctrl-C does, with a report
        signal.signal(number, signal.default_int_handler)
    if not args.rehearse:
        show_plan(parts, args.jobs, memory)

    def tell(part: Part, content: dict) -> None:
        why = f": {content['why']}" if content["why"] else ""
        spent = f"{content['seconds']:.0f} s" + (
            f", {content['waited']:.0f} of them waiting" if content["waited"] > 1 else ""
        )
        print(f"{time.time() - STARTED:4.0f} s  {part.name}: {content['state']}{why} ({spent})", flush=True)
        write(args.work_dir, args.rehearse)

    claim(args.work_dir, args.rehearse)
    settings = Settings(Path(__file__), args.work_dir, args.rehearse, args.jobs, STARTED + 60 * minutes, memory, limit)
    run_parts(parts, settings, tell)
    shutil.rmtree(args.work_dir / "scratch", ignore_errors=True)  # images by the thousand
    show(write(args.work_dir, args.rehearse))
    print(
        f"{time.time() - STARTED:.0f} s. Report: {args.work_dir}/report.md and report.json; parts' output: parts/*.log"
    )


def claim(work_dir: Path, rehearse: bool) -> None:
    """Make the work dir this machine's.

    Raises:
        ValueError: If it has results of another machine or version, or of a rehearsal or of none.
    """
    from gpu_report.environment import facts
    from gpu_report.report import MADE_BY

    (work_dir / "parts").mkdir(parents=True, exist_ok=True)
    file, now = work_dir / MADE_BY, {"rehearsal": rehearse, **facts()}
    before = json.loads(file.read_text()) if file.is_file() else now
    other = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if other:
        raise ValueError(
            f"{work_dir} has results of another {', '.join(other)} ({before.get(other[0])}): give another --work-dir, "
            "or delete it"
        )
    file.write_text(json.dumps(now, indent=1))


def gpu_memory(rehearse: bool) -> float:
    """Gigabytes of the GPU.

    Raises:
        ValueError: If there is no GPU, and it is no rehearsal.
    """
    import torch

    if rehearse:
        return H100  # parts are small
    if not torch.cuda.is_available():
        raise ValueError("torch sees no CUDA device; --rehearse runs all parts small, on the CPU")
    return torch.cuda.get_device_properties(0).total_memory / 1e9


def show_plan(parts: list[Part], jobs: int, memory: float) -> None:
    """Print the parts with their estimates."""
    print("Expected on an H100 or H200 with 16 cores; of most parts from mae-l on by estimate. Seconds.")
    print(f"{'part':14s}{'starts, compiles':>18s}{'measures':>10s}{'limit':>8s}{'GPU GB':>8s}  ")
    for part in parts:
        missing = f"; left out, not installed: {', '.join(part.missing)}" if part.missing else ""
        figures = f"{part.beside:18.0f}{part.alone:10.0f}{part.limit:8.0f}{part.gigabytes:8.0f}"
        print(f"{part.name:14s}{figures}  {part.title}{missing}")
    possible = [part for part in parts if not part.missing]
    seconds = expected_seconds(possible, jobs, memory)
    print(f"{seconds:.0f} s in all, {jobs} at a time where the GPU's memory allows; without --minutes it ends after")
    print(f"{60 * MINUTES:.0f} s, with the first of them")


def insert(work_dir: Path, page: Path) -> None:
    """Put a report into a page.

    Raises:
        FileNotFoundError: If there is no report, or no page.
    """
    from gpu_report.report import markdown, put_into

    file = work_dir / "report.json"
    if not file.is_file():
        raise FileNotFoundError(f"no report in {work_dir}: run this without --into first, or give its --work-dir")
    put_into(page, markdown(json.loads(file.read_text())))
    print(f"{page}: report of {file}")


if __name__ == "__main__":
    with one_line_errors():
        main()
