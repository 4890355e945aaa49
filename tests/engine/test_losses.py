"""Losses reach the log without a step waiting for them, and a bad one stops the run."""

import json
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from torch.utils._python_dispatch import TorchDispatchMode

from mirl_mm.engine.hooks import LossInfoHook
from mirl_mm.engine.launch import build_runner
from tests.conftest import forget_runs
from tests.training import small_classifier, small_config, train, write_class_folders, write_images

INFO = "default_hooks__runtime_info"


def run(cfg, *hooks: Hook):
    forget_runs()
    runner = build_runner(cfg, ["train_dataloader"])
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


@pytest.mark.parametrize("deferred", [False, True])
def test_a_bad_loss_stops_and_keeps_the_last_checkpoint(tmp_path, deferred):
    """Also where it is seen an iteration later: its own iteration, rate and files are named."""
    root = write_images(tmp_path / "data", 8)
    cfg = small_config(root, tmp_path / "run", optim_wrapper__optimizer__lr=1e30, param_scheduler__warmup=1.5)
    cfg.default_hooks.logger.interval = 4
    cfg.default_hooks.runtime_info.deferred = deferred
    seen = []

    class Spy(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen.append((runner.optim_wrapper.get_lr()["lr"][0], [s.img_path for s in data_batch["data_samples"]]))

    with pytest.raises(FloatingPointError) as caught:
        run(cfg, Spy())
    message = str(caught.value)
    assert len(seen) == (4 if deferred else 3)
    rate, files = seen[2]
    for part in ("the loss is", f"at iteration 2 (epoch 1), lr {rate:.4g}; ", str(files), "--resume"):
        assert part in message
    assert (tmp_path / "run" / "epoch_1.pth").exists()
    assert not (tmp_path / "run" / "epoch_2.pth").exists()


def test_a_run_counted_in_iterations_has_no_epoch():
    rates = SimpleNamespace(get_lr=lambda: {"lr": [0.1]})
    hub = MessageHub("monitor")
    runner = SimpleNamespace(message_hub=hub, optim_wrapper=rates, train_loop=None, iter=7, epoch=0, rank=0)
    with pytest.raises(FloatingPointError, match=r"the loss is nan at iteration 7, lr 0\.1; "):
        LossInfoHook().after_train_iter(runner, 0, outputs={"loss": torch.tensor(math.nan)})


def test_the_log_is_the_same(tmp_path):
    root = write_images(tmp_path / "data")
    rows, histories = [], []
    for deferred in (False, True):
        work_dir = tmp_path / f"deferred_{deferred}"
        cfg = small_config(root, work_dir, default_hooks__logger__interval=2)
        cfg.default_hooks.runtime_info.deferred = deferred
        runner = run(cfg)
        (path,) = work_dir.glob("*/vis_data/scalars.json")
        found = [json.loads(line) for line in path.read_text().splitlines()]
        rows.append([(row["step"], row["loss"], row["grad_norm"]) for row in found])
        histories.append(runner.message_hub.get_scalar("train/loss").data[0].tolist())
        saved = torch.load(work_dir / "epoch_1.pth", weights_only=False)["message_hub"]["log_scalars"]["train/loss"]
        assert saved.data[0].tolist() == histories[-1][:5]
    assert len(rows[0]) == 4 and len(histories[0]) == 10
    assert rows[0] == rows[1]
    assert histories[0] == histories[1]


def test_checkpoints_between_logs_are_complete(tmp_path):
    cfg = small_config(write_images(tmp_path / "data"), tmp_path / "run", default_hooks__logger__interval=50)
    cfg.default_hooks.runtime_info.deferred = True
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=3, max_keep_ckpts=-1)
    train(cfg)
    saved = torch.load(tmp_path / "run/iter_6.pth", weights_only=False)["message_hub"]["log_scalars"]["train/loss"]
    assert len(saved.data[0]) == 6


class HostReads(TorchDispatchMode):
    """Counts what would make the host wait for a GPU: a number that it reads, or a size that depends on numbers.

    While ``forbidden`` is set, it fails there.
    """

    WAITING = {
        torch.ops.aten._local_scalar_dense.default,
        torch.ops.aten.nonzero.default,
        torch.ops.aten.masked_select.default,
        torch.ops.aten.equal.default,
        torch.ops.aten.is_nonzero.default,
    }

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.forbidden = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in self.WAITING
        assert not (self.forbidden and func in self.WAITING), f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


class CountHook(Hook):
    """Notes the reads of each iteration, those of all other hooks included."""

    priority = "LOWEST"

    def __init__(self, reads: HostReads) -> None:
        self.reads = reads
        self.counts: list[int] = []
        self._start = 0

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self._start = self.reads.count

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.counts.append(self.reads.count - self._start)


def reads_per_iteration(cfg) -> list[int]:
    with HostReads() as reads:
        hook = CountHook(reads)
        run(cfg, hook)
    return hook.counts


def pretraining(tmp_path):
    cfg = small_config(write_images(tmp_path / "data"), tmp_path / "run", optim_wrapper__accumulative_counts=2)
    cfg.optim_wrapper.clip_grad = {"max_norm": 1.0}
    return cfg


def fine_tuning(tmp_path):
    cfg = small_classifier(write_class_folders(tmp_path / "data"), tmp_path / "run")
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.save_best = None
    return cfg


#: Iterations 1 (the norm of the first gradients, the average's count) and 4 (the log's) of each epoch may read.
QUIET = (2, 5, 6, 7)


@pytest.mark.parametrize("build", [pretraining, fine_tuning])
def test_nothing_waits_for_the_device_within_a_step(tmp_path, build):
    cfg = build(tmp_path)
    cfg.default_hooks.logger.interval = 4
    cfg.default_hooks.runtime_info.deferred = True
    counts = reads_per_iteration(cfg)
    assert len(counts) == 10
    assert [counts[i] for i in QUIET] == [0, 0, 0, 0]


def test_what_counts_is_seen(tmp_path):
    """mmengine's own hook, which reads each loss at once."""
    cfg = pretraining(tmp_path)
    cfg.default_hooks.runtime_info = {"type": "RuntimeInfoHook"}
    cfg.default_hooks.logger.interval = 4
    assert min(reads_per_iteration(cfg)) >= 1


class ForbidWaits(Hook):
    """Lets no quiet iteration wait for the GPU; in a rehearsal, read a number."""

    priority = "LOWEST"

    def __init__(self, forbid: Callable[[bool], None], quiet: Sequence[int] = QUIET) -> None:
        self.forbid = forbid
        self.quiet = quiet

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.forbid(runner.iter in self.quiet)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.forbid(False)


@pytest.fixture
def forbid(gpu):
    """Makes waiting an error, or not."""
    if gpu.type == "cuda":
        yield lambda on: torch.cuda.set_sync_debug_mode("error" if on else "default")
        torch.cuda.set_sync_debug_mode("default")
        return
    with HostReads() as reads:
        yield lambda on: setattr(reads, "forbidden", on)


@pytest.mark.gpu
@pytest.mark.parametrize("how", ["eager", "bfloat16", "compiled", "graphs"])
@pytest.mark.parametrize("build", [pretraining, fine_tuning])
def test_no_step_waits_for_a_gpu(tmp_path, build, how, forbid, gpu):
    if gpu.type == "cpu" and how in ("compiled", "graphs"):
        pytest.skip("HostReads does not see into what is compiled")
    cfg = build(tmp_path)
    cfg.default_hooks.logger.interval = 4
    cfg.default_hooks.runtime_info.deferred = True
    cfg.randomness.deterministic = False  # slower ways, which may wait
    if how != "eager":
        cfg.optim_wrapper.type = "Bf16OptimWrapper"
    if how in ("compiled", "graphs"):
        cfg.compile = {"cuda_graphs": how == "graphs"}
    run(cfg, ForbidWaits(forbid, QUIET[1:]))  # graphs are captured in the second and third


@pytest.mark.gpu
def test_waiting_is_seen(tmp_path, forbid, gpu):
    """mmengine's own hook, which reads each loss at once."""
    cfg = pretraining(tmp_path)
    cfg.default_hooks.runtime_info = {"type": "RuntimeInfoHook"}
    error, match = (RuntimeError, "synchroniz") if gpu.type == "cuda" else (AssertionError, "waits for the device")
    with pytest.raises(error, match=match):
        run(cfg, ForbidWaits(forbid))
