import pytest
import torch

from mirl_mm.engine.launch import build_runner, scale_lr
from tests.training import small_config, train, write_images

pytestmark = pytest.mark.usefixtures("device")


def sgd_config(root, work_dir, **options):
    """SGD at a constant rate: an update is then exactly the mean gradient of its images."""
    cfg = small_config(root, work_dir, **options)
    cfg.param_scheduler = None
    cfg.optim_wrapper.optimizer = {"type": "SGD", "lr": 0.05}
    cfg.auto_scale_lr.enable = False
    return cfg


def test_accumulated_halves_equal_the_whole_batch(tmp_path):
    root = write_images(tmp_path / "data", 16)
    whole = train(sgd_config(root, tmp_path / "whole", train_dataloader__batch_size=8))
    halves = train(sgd_config(root, tmp_path / "halves", optim_wrapper__accumulative_counts=2))
    for (name, p), q in zip(whole.named_parameters(), halves.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5, msg=name)


def test_last_shorter_window_of_an_epoch_is_a_whole_update(tmp_path):
    """5 iterations of 4 images, accumulated by 2: updates on 8, 8 and 4 images, each their mean gradient."""
    root = write_images(tmp_path / "data", 20)
    cfg = sgd_config(root, tmp_path / "run", optim_wrapper__accumulative_counts=2)
    runner = build_runner(cfg, ["train_dataloader"])
    batches, updates = [], []

    original = runner.model.train_step

    def train_step(data, optim_wrapper):
        batches.append(data)
        return original(data, optim_wrapper)

    runner.model.train_step = train_step
    initial = {name: p.detach().clone() for name, p in runner.model.named_parameters()}
    model = runner.train()

    with torch.no_grad():
        trained = {name: p.clone() for name, p in model.named_parameters()}
        for name, p in model.named_parameters():
            p.copy_(initial[name])
    for epoch in (batches[:5], batches[5:]):
        for window in (epoch[:2], epoch[2:4], epoch[4:]):
            model.zero_grad()
            for batch in window:
                prepared = model.data_preprocessor(dict(batch), True)
                (model(**prepared, mode="loss")["loss"] / len(window)).backward()
            with torch.no_grad():
                for p in model.parameters():
                    if p.grad is not None:
                        p -= 0.05 * p.grad
            updates.append(len(window))
    assert updates == [2, 2, 1, 2, 2, 1]
    for name, p in model.named_parameters():
        torch.testing.assert_close(p, trained[name], rtol=0, atol=1e-6, msg=name)


def test_lr_counts_accumulated_images(tmp_path):
    cfg = small_config(tmp_path, tmp_path / "x", optim_wrapper__accumulative_counts=8)
    scale_lr(cfg)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.05 * 4 * 8 / 256)
    scale_lr(cfg)  # a saved, resolved config is not scaled again
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.05 * 4 * 8 / 256)


def test_iteration_based_checkpoints_between_updates_are_refused(tmp_path):
    root = write_images(tmp_path / "data", 8)
    cfg = sgd_config(root, tmp_path / "run", optim_wrapper__accumulative_counts=3)
    cfg.train_cfg = {"type": "IterBasedTrainLoop", "max_iters": 6}
    cfg.train_dataloader.sampler = {"type": "EndlessSampler"}
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
    with pytest.raises(ValueError, match="checkpoint interval 2 is no multiple of accumulative_counts=3"):
        train(cfg)
