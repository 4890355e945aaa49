"""tools/analysis_tools/gpu_report.py without a GPU: parts are run, cut and told; what they measure needs one."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest
from mmengine.logging import MMLogger

from mirl_mm.engine.launch import load_config
from tests.tools.scripts import TOOLS, load_report
from tests.training import ROOT, run_here, run_tool

TOOL = TOOLS / "analysis_tools/gpu_report.py"


@pytest.fixture
def work_dir(tmp_path):
    (tmp_path / "parts").mkdir()
    return tmp_path


@pytest.fixture
def rehearse(work_dir, monkeypatch):
    """Runs one part in this process, small; returns its record's content."""
    monkeypatch.chdir(tmp := work_dir)
    monkeypatch.syspath_prepend(str(TOOLS / "analysis_tools"))
    logger = MMLogger.get_current_instance()
    level = logger.level

    def run(name: str) -> dict:
        (part,) = load_report("plan").find_parts([name])
        load_report("bench").run_part(tmp, part, rehearse=True)
        return json.loads((tmp / "parts" / f"{name}.json").read_text())

    yield run
    logger.setLevel(level)


#: Stands for the tool: what a part of this name does.
PARTS = """
import json, subprocess, sys, time
from pathlib import Path
name, folder = sys.argv[2], Path(sys.argv[4])
file = folder / "parts" / f"{name}.json"
content = json.loads(file.read_text())
def write(**more):
    content.update(more)
    file.with_suffix(".new").write_text(json.dumps(content))
    file.with_suffix(".new").replace(file)
if name == "endless":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    write(tables={"matmul": [{"what": "copy", "rate": 2.0, "unit": "TB/s"}]}, notes=[str(child.pid)])
    time.sleep(600)
if name == "patient":  # waits for others for longer than its limit, which is no time of its own
    write(waiting_since=time.time())
    time.sleep(7)
    write(waited=7, waiting_since=None, state="done")
if name == "dying":
    sys.exit(3)
write(state="done")
"""


def part(name: str, **settings):
    plan = load_report("plan")
    figures = {"beside": 1.0, "alone": 1.0, "gigabytes": 1.0} | settings
    return plan.Part(name=name, title=name, module=name, settings={}, **figures)


def run_parts(work_dir: Path, parts: list, seconds: float = 60.0, limit: float = 5.0) -> dict[str, dict]:
    running, told = load_report("running"), {}
    (work_dir / "tool.py").write_text(PARTS)
    settings = running.Settings(work_dir / "tool.py", work_dir, True, len(parts), time.time() + seconds, 80.0, limit)
    running.run_parts(parts, settings, lambda part, content: told.update({part.name: content}))
    return told


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_parts_are_killed_at_their_limit_and_what_they_knew_stays(work_dir):
    parts = [part(name) for name in ("endless", "patient", "dying", "good")] + [part("lacking", needs=("no_such",))]
    told = run_parts(work_dir, parts)
    states = {name: content["state"] for name, content in told.items()}
    assert states == {
        "endless": "cut",
        "patient": "done",
        "dying": "failed",
        "good": "done",
        "lacking": "left out",
    }
    assert told["endless"]["why"] == "killed at its limit of 5 s"
    assert told["endless"]["tables"]["matmul"][0]["rate"] == 2.0
    assert told["endless"]["seconds"] >= 5
    assert gone(int(told["endless"]["notes"][0])), "what it started lives on"
    assert told["dying"]["why"] == "its process ended with exit code 3: see dying.log"
    assert told["lacking"]["why"] == "not installed: no_such"


def test_the_time_for_all_ends_every_part(work_dir, monkeypatch):
    monkeypatch.setattr(load_report("running"), "LEAST", 1.0)
    told = run_parts(work_dir, [part("endless", by_itself=True), part("good")], seconds=2, limit=100)
    assert told["endless"]["state"] == "cut" and "time for all was over" in told["endless"]["why"]
    assert told["good"] == told["good"] | {"state": "left out", "why": "no time was left"}


def test_parts_run_beside_each_other_where_they_fit():
    next_part = load_report("schedule").next_part
    large, small, alone = part("large", gigabytes=50.0), part("small", gigabytes=20.0), part("alone", by_itself=True)
    assert next_part([large, small], [], 2, 80.0) is large
    assert next_part([large, small], [large], 2, 80.0) is small
    assert next_part([large], [large], 2, 80.0) is None
    assert next_part([small], [small, small], 2, 80.0) is None
    assert next_part([alone, small], [large], 2, 80.0) is None, "it would never be its turn"
    assert next_part([alone, small], [], 2, 80.0) is alone
    assert next_part([small], [alone], 2, 80.0) is None
    assert next_part([large], [], 2, 10.0) is large, "on a small GPU it may fail, and say so"


def test_who_waits_to_be_alone_is_not_passed(work_dir):
    """One part had all of its turns, compiling in between, before another had its first."""
    order: list[str] = []
    shared = threading.Barrier(3)

    def take(name: str) -> None:
        record = load_report("record").Record(work_dir / "parts" / f"{name}.json", name)
        turn = load_report("turn").Turn(work_dir / "turn.lock", record)
        shared.wait()
        for _ in range(3):
            with turn.alone():
                order.append(name)
                time.sleep(0.2)  # in which the others ask
            time.sleep(0.05)

    parts = [threading.Thread(target=take, args=(name,)) for name in "ab"]
    for thread in parts:
        thread.start()
    shared.wait()
    for thread in parts:
        thread.join(30)
    assert sorted(order) == [*"aaabbb"] and order[0] != order[1] and not {"aaa", "bbb"} & {"".join(order[1:4])}


def test_the_expected_time():
    """Two parts, 10 s of compiling and 5 s of measuring each: one after the other 30 s, beside each other 20 s."""
    expected_seconds = load_report("schedule").expected_seconds
    parts = [part("a", beside=10.0, alone=5.0), part("b", beside=10.0, alone=5.0)]
    assert expected_seconds(parts, 1, 80.0) == 30
    assert expected_seconds(parts, 2, 80.0) == 20
    parts[0] = part("a", beside=10.0, alone=5.0, by_itself=True)
    assert expected_seconds(parts, 2, 80.0) == 30


def test_golden_tensors(rehearse):
    """On the CPU they are within the limits that the device is held to."""
    content = rehearse("golden")
    assert content["state"] == "done", content["why"]
    rows = content["tables"]["golden"]
    assert len(rows) == 8
    assert all(row.get("fits") for row in rows), rows
    assert {"outputs", "loss", "gradients"} <= rows[0].keys()


def test_golden_tensors_that_are_missed(rehearse, work_dir, monkeypatch):
    """A wrong result is told, as is one that can't be had; the other models go on."""
    golden = load_report("golden")
    cases = [case for case in golden.CASES if case.name != "MIRL"]

    def wrong(arrays, device, half):
        outcome = cases[0].run(arrays, device, half)
        return outcome | {"loss": (outcome["loss"][0] * 1.5, outcome["loss"][1])}

    def impossible(arrays, device, half):
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(golden, "CASES", (cases[0]._replace(run=wrong), cases[1]._replace(run=impossible), cases[1]))
    content = rehearse("golden")
    rows = content["tables"]["golden"]
    assert [row.get("fits") for row in rows] == [False, False, None, None, True, True]
    assert rows[2]["error"] == "RuntimeError: out of memory"
    report = load_report("report").collect(work_dir, True)
    text = load_report("report").markdown(report)
    assert "| MAE | float32 |" in text and "| NO |" in text
    assert "- golden, classifier, float32: RuntimeError: out of memory" in text


def test_attention(rehearse):
    content = rehearse("attention")
    assert content["state"] == "done", content["why"]
    ours = [row for row in content["tables"]["attention"] if row["kernel"] == "ours"]
    assert len(ours) == 3
    assert all(0 < row["error_out"] < 0.02 and 0 < row["error_grad"] < 0.02 for row in ours)
    assert all(row["forward_us"] > 0 for row in ours)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ways"), [("s54-512", {"eager", "plain", "compiled"}), ("finetuning", {"eager", "compiled"})]
)
def test_steps(rehearse, name, ways):
    content = rehearse(name)
    assert content["state"] == "done", content["why"]
    rows = content["tables"]["steps"]
    assert {row["way"] for row in rows} == ways
    assert content["notes"] == (["there are no CUDA graphs without a GPU"] if "plain" in ways else [])
    (compiled,) = (row for row in rows if row["way"] == "compiled")
    assert compiled["graphs"] >= 1 and compiled["graphs_later"] == compiled["breaks"] == 0
    assert all(row["images_per_s"] > 0 and row["used"] > 0 for row in rows)


def test_the_cases_are_the_recipes_and_the_papers_mae():
    cases = load_report("pretraining").CASES
    for key, arch in (("s54", "vit-s-54"), ("b48", "vit-b-48"), ("mae-l", "vit-l")):
        _, config, options = cases[key]
        model = load_config(ROOT / f"configs/pretrain/{config}.py", options).model
        assert (model.type, model.backbone.arch) == ("MAE" if key == "mae-l" else "MIRL", arch)
        assert model.backbone.img_size == (224, 224)
    assert (model.decoder_embed_dims, model.decoder_depth, model.decoder_num_heads) == (512, 8, 16)


def steps() -> list[dict]:
    row = {"ms": 100.0, "tflops": 790.0, "busy_ms": 90.0, "gb": 20.0, "computed_gb": 25.0, "warm_up_s": 40.0}
    row |= {"step": "MIRL S-54, batch 512", "images_per_s": 5120.0, "used": 0.251}
    waits = {"times": 2, "where": {"hooks/losses.py:7": 2}}
    graphs = {"graphs": 6, "graphs_later": 0, "breaks": 0, "skipped_cuda_graphs": 0}
    return [
        row | {"way": "eager", "host_waits": waits},
        row | {"way": "compiled", "host_waits": {"times": 0, "where": {}}, "images_per_s": 6000.4, **graphs},
        {"step": "MIRL S-54, batch 512", "way": "CUDA graphs", "error": "RuntimeError: no"},
    ]


def write_report(work_dir: Path) -> None:
    record = load_report("record").Record(work_dir / "parts" / "s54-512.json", "s54-512")
    for row in steps():
        record.add("steps", **row)
    record.end("cut", "killed at its limit of 230 s")


def test_from_json_to_markdown_to_the_page(work_dir, monkeypatch, capsys):
    report = load_report("report")
    write_report(work_dir)
    report.write(work_dir, rehearse=False)
    text = (work_dir / "report.md").read_text()
    assert "| step | eager | compiled | CUDA graphs | plain |" in text
    assert "| MIRL S-54, batch 512 | 5120 (25.1%) | 6000 (25.1%) | failed | – |" in text
    assert "| MIRL S-54, batch 512 | compiled | 100.0 | 90.0 | 790 | 0 | 6 | 0 | 0 | 0 | 40.0 |" in text
    assert "| MIRL S-54, batch 512 | eager | 20.0 | 25.0 | 0.80 |" in text
    assert "| MIRL S-54, batch 512 | eager | `hooks/losses.py:7` | 2 |" in text
    assert "- s54-512: cut after 0 s: killed at its limit of 230 s" in text
    assert "- steps, MIRL S-54, batch 512, CUDA graphs: RuntimeError: no" in text
    page = work_dir / "page.md"
    page.write_text(f"# Speed\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nafter\n")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.syspath_prepend(str(TOOL.parent))
    run_here(monkeypatch, str(TOOL), "--work-dir", work_dir, "--into", page)
    assert page.read_text() == f"# Speed\n\n{report.BEGIN}\n\n{text}\n{report.END}\n\nafter\n"
    report.show(json.loads((work_dir / "report.json").read_text()))
    assert "6000 (25.1%)" in capsys.readouterr().out


def test_speed_md_has_the_plan():
    text, plan = (ROOT / "docs/speed.md").read_text(), load_report("plan")
    for part in plan.PARTS:
        assert f"| `{part.name}` | {part.beside:.0f} | {part.alone:.0f} | {part.limit:.0f} |" in text
    expected_seconds = load_report("schedule").expected_seconds
    core = [part for part in plan.PARTS if not part.needs]
    both = expected_seconds(core, 2, 85.0), expected_seconds(plan.PARTS, 2, 85.0)
    first = plan.find_parts(["environment", "golden", "s54-512", "b48-256", "training", "attention"])
    assert first == list(plan.PARTS[:6]) and expected_seconds(first, 2, 85.0) <= 420
    assert f"{both[0]:.0f} expected, with mmdet and mmseg {both[1]:.0f} |" in text


def test_speed_md_takes_a_report():
    text, report = (ROOT / "docs/speed.md").read_text(), load_report("report")
    assert text.index(report.BEGIN) < text.index(report.END)
    with pytest.raises(ValueError, match=r"README.md has no place for the report: it needs the lines <!-- gpu_report"):
        report.put_into(ROOT / "README.md", "text")


def test_what_can_not_be(monkeypatch):
    """Each is said before anything is run."""
    plan = load_report("plan")
    with pytest.raises(ValueError, match="no part is called golde: there are environment, golden"):
        plan.find_parts(["golden", "golde"])
    monkeypatch.setitem(plan.NEEDED, "no_such", "no-such-package")
    with pytest.raises(ModuleNotFoundError, match="no_such can't be imported: pip install no-such-package"):
        plan.check_packages()


@pytest.mark.slow
def test_rehearsal_as_a_user_runs_it(tmp_path):
    options = ("--rehearse", "--parts", "environment", "golden", "--work-dir", tmp_path / "report")
    done = run_tool(TOOL, *options)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [(part["part"], part["state"]) for part in report["parts"]] == [("environment", "done"), ("golden", "done")]
    assert "ViTDet's backbone and pyramid" in done.stdout and "environment: done" in done.stdout
    (tmp_path / "report" / "made_by.json").write_text(json.dumps({"GPU": "another"}))
    again = run_tool(TOOL, *options)
    assert "has results of another GPU" in again.stderr and again.returncode == 1
