"""A pre-trainer that learns from a teacher's features is a class and a recipe: nothing else of the package knows it."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from torch import Tensor

from mirl_mm.analysis import pretraining_macs
from mirl_mm.analysis.memory import activation_bytes
from mirl_mm.analysis.timing import time_step
from mirl_mm.analysis.training_bench import TrainingBench
from mirl_mm.engine.compilation import compile_training
from mirl_mm.engine.launch import build_runner
from mirl_mm.engine.layer_decay import find_backbone
from mirl_mm.inference.dispatch import inferencer_for
from mirl_mm.models.layers.rows import at_least_float32
from mirl_mm.models.pretrainers import MaskedPretrainer, Pretrainer
from mirl_mm.models.pretrainers.decoder import MaskedDecoder
from mirl_mm.models.pretrainers.random_masking import Masking
from mirl_mm.probing.encoder import load_encoder
from mirl_mm.registry import MODELS
from tests.conftest import forget_runs
from tests.training import small_config, write_images


@MODELS.register_module()
class Latents(Pretrainer):
    """Features of the whole image by an average of the encoder, predicted from the visible patches (as in data2vec)."""

    term_names = ("latent_term", "length_term")
    compiled_methods = {"errors": "losses"}

    def __init__(self, backbone: dict, momentum: float = 0.1, **kwargs) -> None:
        super().__init__(backbone, **kwargs)
        width = self.backbone.embed_dims
        self.decoder = MaskedDecoder(self.grid, width, depth=1, num_heads=2, out_dims=width)
        self.teacher = ExponentialMovingAverage(self.backbone, momentum)

    def train(self, mode: bool = True) -> "Latents":
        super().train(mode)
        self.teacher.eval()
        return self

    def image_losses(self, images: Tensor, masking: Masking) -> Tensor:
        context = self.backbone.context(images, masking.ids_keep)
        x = self.backbone.run_blocks(self.backbone.embed(images, masking.ids_keep), context=context)
        found = self.decoder(self.backbone.norm(x), masking)
        with torch.no_grad():
            tokens = self.teacher.module.forward_tokens(images)[-1][:, self.backbone.num_prefix_tokens :]
            target = tokens.gather(1, masking.ids_mask[..., None].expand(-1, -1, tokens.shape[2]))
        return self.errors(at_least_float32(found), at_least_float32(target))

    def errors(self, found: Tensor, target: Tensor) -> Tensor:
        target = F.layer_norm(target, target.shape[-1:])
        lengths = (found.norm(dim=2) - target.norm(dim=2)).square().mean(dim=1)
        return torch.stack([F.smooth_l1_loss(found, target, reduction="none").mean(dim=(1, 2)), lengths])

    def after_update(self) -> None:
        self.teacher.update_parameters(self.backbone)


def recipe(root: Path, work_dir: Path, epochs: int = 2, **options) -> Config:
    """Layer decay, accumulated gradients, validation."""
    cfg = small_config(root, work_dir, train_cfg__max_epochs=epochs, optim_wrapper__accumulative_counts=2, **options)
    cfg.model = {key: cfg.model[key] for key in ("backbone", "mask_ratio", "data_preprocessor")} | {"type": "Latents"}
    cfg.custom_hooks = []
    cfg.val_dataloader = {**copy.deepcopy(cfg.train_dataloader), "drop_last": False}
    cfg.val_cfg, cfg.val_evaluator = {"type": "ValLoop"}, {"type": "MaskedLoss"}
    return cfg


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict, dict]:
    """The folder of a training of two epochs of two updates, and what its log has at the end."""
    folder = tmp_path_factory.mktemp("latents")
    root = write_images(folder / "data", 16)
    forget_runs()
    runner = build_runner(recipe(root, folder / "whole"), ["train_dataloader", "val_dataloader"])
    runner.train()
    return folder, dict(runner.message_hub.log_scalars), runner.log_processor.mean_pattern


def saved(path: Path) -> dict:
    return torch.load(path, weights_only=False)["state_dict"]


def test_trains_validates_and_says_so(trained):
    folder, scalars, mean_pattern = trained
    assert {"train/loss", "train/latent_term", "val/loss", "val/latent_term", "val/length_term"} <= set(scalars)
    assert mean_pattern.match("train/latent_term")
    state = saved(folder / "whole/epoch_2.pth")
    assert state["teacher.steps"] == 4  # updates, of 8 iterations
    name = "blocks.0.mlp.fc1.weight"
    assert not torch.equal(state[f"teacher.module.{name}"], state[f"backbone.{name}"])


def test_resumes_to_the_bit(trained):
    folder, _, _ = trained
    cfg = recipe(folder / "data", folder / "resumed", resume=True, load_from=str(folder / "whole/epoch_1.pth"))
    forget_runs()
    build_runner(cfg, ["train_dataloader", "val_dataloader"]).train()
    expected, found = saved(folder / "whole/epoch_2.pth"), saved(folder / "resumed/epoch_2.pth")
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_its_encoder_is_judged_and_its_reconstructions_are_refused(trained):
    path = trained[0] / "whole/epoch_2.pth"
    encoder = load_encoder(path)
    assert torch.equal(encoder.backbone.norm.weight, saved(path)["backbone.norm.weight"])
    with pytest.raises(ValueError, match="the model is Latents, for which there is no inferencer"):
        inferencer_for(path)


def test_is_benchmarked_and_counted(trained):
    cfg = recipe(trained[0] / "data", trained[0] / "bench")
    bench = TrainingBench(cfg)
    assert not isinstance(bench.model, MaskedPretrainer)
    assert time_step(bench.model, bench.variant("fp32"), bench.generated(2)).total > 0
    assert bench.model.teacher.steps == 1
    with pytest.raises(TypeError, match="exists for MIRL and MAE, got Latents"):
        bench.variant("fp32", plain=True)
    forward, step = (pretraining_macs(cfg.model, 4, backward=backward) for backward in (False, True))
    assert 0 < 2 * forward.total < step.total + forward.total  # the teacher has no backward pass
    assert 0 < activation_bytes(cfg.model, 4, checkpointing=True) < activation_bytes(cfg.model, 4)
    assert find_backbone(bench.model) == ("backbone.", bench.model.backbone)


def test_is_compiled(trained):
    model = MODELS.build(recipe(trained[0] / "data", trained[0] / "compiled").model.to_dict())
    images, noise = torch.randn(2, 3, 64, 64), torch.rand(2, model.num_patches)
    expected = model(images, mode="loss", noise=noise)["loss"]
    done = compile_training(model, backend="eager")
    assert done.parts == ("1 run of 2 blocks", "1 decoder", "losses")
    assert torch.equal(model(images, mode="loss", noise=noise)["loss"], expected)
    assert model(images, noise=noise).shape == (2, 1 + model.num_patches, 16)
