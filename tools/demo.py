"""Shows in minutes what the toolkit does, on generated images: the whole way from pre-training to a web page.

Pre-trains a small deep MIRL, judges its features at each depth, fine-tunes a classifier, a detector and a segmentor
from it and from random weights, and compares them on one HTML page. Each step is one of the tools, called as shown.
What was done is not done again, and what was stopped goes on, so this can be stopped and started as often as you like.

python tools/demo.py
"""

import argparse
import hashlib
import os
import signal
from pathlib import Path

from demo.display import Display, duration
from demo.page import write_page
from demo.plan import Settings, make_plan
from demo.results import comparison, table_text
from demo.running import StepFailed
from demo.scheduler import run_steps
from demo.step import Ledger, Step
from demo.times import timeline
from misc.setup_env import locked

from mirl_mm.cli import HelpFormatter

ROOT = Path(__file__).resolve().parents[1]  # all paths below are relative to it
WORK_DIR = Path("work_dirs/demo")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--work-dir", type=Path, help=f"where everything goes (default: {WORK_DIR} of the repository)")
    parser.add_argument("--jobs", type=int, default=2, help="steps at a time")
    sizes = Settings(WORK_DIR)
    pair = {"type": int, "nargs": 2, "metavar": ("TRAIN", "VAL"), "default": sizes.num_images}
    parser.add_argument("--num-images", **pair, help="to generate")
    parser.add_argument("--epochs", type=int, default=sizes.epochs, help="of pre-training")
    three = {"type": int, "nargs": 3, "metavar": ("CLS", "DET", "SEG"), "default": sizes.lengths}
    parser.add_argument("--lengths", **three, help="of fine-tuning: epochs of the classifier, updates of the others")
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {args.jobs}")
    return args


def main() -> None:
    args = parse_args()
    work_dir = args.work_dir.resolve() if args.work_dir else WORK_DIR
    os.chdir(ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends us as Ctrl-C does, and the tools with us
        signal.signal(number, signal.default_int_handler)
    settings = Settings(work_dir, tuple(args.num_images), args.epochs, tuple(args.lengths))
    steps = make_plan(settings)
    page = work_dir / "index.html"
    try:
        with locked(work_dir / "lock", f"another demo in {work_dir}") as lock:
            ledger = Ledger.open(work_dir / "steps", steps)
            fresh = not all(map(ledger.is_done, steps))
            if fresh:
                run_steps(steps, ledger, args.jobs, Display(), (lock,))
            fresh |= make_page(page, settings, steps, ledger)
    except StepFailed as error:
        raise SystemExit(f"\nerror: {error}") from None
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.")
        raise SystemExit(130) from None
    _, total = timeline({step.name: ledger.records[step.name] for step in steps})
    done = f"Done in {duration(total)}." if fresh else "Finished already (delete the folder to start afresh)."
    print(f"\n{table_text(comparison(settings))}\n\n{done} Open this page in a browser:\n  {page.resolve().as_uri()}")


def make_page(page: Path, settings: Settings, steps: list[Step], ledger: Ledger) -> bool:
    """Write the page, unless it is there and shows these results; returns whether it was written."""
    parts = sorted(path.read_bytes() for path in (ROOT / "tools/demo").glob("*.*"))
    spans = [str(ledger.records[step.name]) for step in steps]
    content = hashlib.sha256(b"".join(parts) + "".join(spans).encode()).hexdigest()
    mark = ledger.folder / "page"
    if page.is_file() and mark.is_file() and mark.read_text() == content:
        return False
    write_page(page, settings, steps, ledger)
    mark.write_text(content)
    return True


if __name__ == "__main__":
    main()
