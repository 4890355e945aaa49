"""A stranger's checkpoint in ``--load-from``, ``--resume`` and a test: weights are taken, and nothing of it runs."""

import pytest
import torch
from mmengine.config import Config

from mirl_mm.engine.launch import build_runner
from tests.checkpoint.test_read_weights import Call
from tests.conftest import forget_runs
from tests.strangers import canary, config_text, exploits
from tests.training import small_classifier, write_class_folders


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """Images, a checkpoint whose config, pickle and older config would each leave a file, and that file."""
    folder = tmp_path_factory.mktemp("strange")
    write_class_folders(folder / "data", 8, 4)
    sung = canary(folder)
    cfg = small_classifier(folder / "data", folder / "run", train_cfg__max_epochs=1)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    forget_runs()
    build_runner(cfg, ["train_dataloader"]).train()
    checkpoint = torch.load(folder / "run/epoch_1.pth", weights_only=False)
    strange = Config(cfg._cfg_dict.to_dict())
    exploits(sung)["backbone"](strange)
    code = f"open({str(sung)!r}, 'a').close()"
    checkpoint["meta"] |= {"cfg": config_text(strange), "config": code}
    torch.save(checkpoint, folder / "resumed.pth")
    checkpoint["meta"]["called"] = Call(exec, code)
    torch.save(checkpoint, folder / "evil.pth")
    return folder, sung


def config(folder, **options):
    return small_classifier(folder / "data", folder / "again", train_cfg__max_epochs=2, **options)


def test_mmengine_would_run_it(evil):
    folder, sung = evil
    text = torch.load(folder / "resumed.pth", weights_only=False)["meta"]["config"]
    Config.fromstring(text, ".py")  # as its runner does with meta["config"]
    assert sung.exists()
    sung.unlink()


def test_in_a_test(evil):
    folder, sung = evil
    cfg = config(folder, load_from=str(folder / "evil.pth"))
    for name in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        cfg.pop(name)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    forget_runs()
    assert build_runner(cfg, ["test_dataloader"]).test()
    assert not sung.exists()


@pytest.mark.parametrize("resume", [False, True])
def test_in_a_training(evil, resume):
    folder, sung = evil
    cfg = config(folder, load_from=str(folder / ("resumed.pth" if resume else "evil.pth")))
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.resume = resume
    forget_runs()
    runner = build_runner(cfg, ["train_dataloader"])
    runner.train()
    assert runner.epoch == 2 and not sung.exists()


def test_resuming_refuses_what_a_pickle_names(evil):
    folder, sung = evil
    cfg = config(folder, load_from=str(folder / "evil.pth"), resume=True)
    forget_runs()
    with pytest.raises(ValueError, match=r"can't resume from .*evil\.pth'.*GLOBAL (builtins\.)?exec"):
        build_runner(cfg, ["train_dataloader"]).train()
    assert not sung.exists()
