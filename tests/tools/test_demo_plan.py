"""What the demo will do."""

import itertools

from tests.tools.scripts import load_demo
from tests.training import ROOT

plan = load_demo("plan")


def test_the_plan_is_what_it_says():
    settings = plan.Settings(plan.Path("work_dirs/demo"))
    steps = {step.name: step for step in plan.make_plan(settings)}
    for number, step in enumerate(steps.values()):
        assert set(step.needs) <= set(itertools.islice(steps.values(), number)), "a step comes before what it needs"
        assert (ROOT / step.words[0]).is_file()
    for task in ("det", "seg", "cls"):
        mirl, random = steps[f"{task}_mirl"], steps[f"{task}_random"]
        rest = mirl.command.replace(f"--pretrained {settings.work_dir}/pretrain/epoch_6.pth ", "")
        assert rest.replace("_mirl ", "_random ") == random.command, "more than the start differs"
        assert mirl.seconds == random.seconds
    assert steps["det_mirl"].settings["config"]["model"]["backbone"]["arch"]["depth"] == 24
