"""Shows in minutes what the toolkit does, on generated images: the whole way from pre-training to a web page.

Pre-trains a small deep MIRL, judges its features at each depth, fine-tunes a classifier, a detector and a segmentor
from it and from random weights, and compares them on one HTML page. Each step is one of the tools, called as shown.
What was done is not done again, and what was stopped goes on, so this can be stopped and started as often as you like.

python tools/demo.py
"""

import os
import signal
from pathlib import Path

from demo.page import comparison, results_table, write_page
from demo.plan import Settings, make_plan
from rich import print as show

from mirl_mm.cli import Parser
from mirl_mm.studies import StepFailed, duration, locked, run_steps, seconds_of

ROOT = Path(__file__).resolve().parents[1]  # all paths below are relative to it
WORK_DIR = Path("work_dirs/demo")


def main() -> None:
    parser = Parser(__doc__)
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
    work_dir = args.work_dir.resolve() if args.work_dir else WORK_DIR
    os.chdir(ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends us as Ctrl-C does, and the tools with us
        signal.signal(number, signal.default_int_handler)
    settings, page = (
        Settings(work_dir, tuple(args.num_images), args.epochs, tuple(args.lengths)),
        work_dir / "index.html",
    )
    try:
        with locked(work_dir / "lock", f"another demo in {work_dir}") as lock:
            steps = make_plan(settings)
            fresh = not (page.exists() and all(step.done for step in steps))
            if fresh:
                page.unlink(missing_ok=True)
                run_steps(steps, args.jobs, (lock,))
                write_page(page, settings, steps)
    except StepFailed as error:
        raise SystemExit(f"\nerror: {error}") from None
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.")
        raise SystemExit(130) from None
    done = (
        f"Done in {duration(seconds_of(steps))}." if fresh else "Finished already (delete the folder to start afresh)."
    )
    show(results_table(comparison(work_dir)))
    print(f"\n{done} Open this page in a browser:\n  {page.resolve().as_uri()}")


if __name__ == "__main__":
    main()
