"""What is compiled, that it computes the same, and that nothing is compiled twice."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch._dynamo.utils import counters

from mirl_mm import MAE, MIRL, DeepViT, ImageClassifier
from mirl_mm.engine import compilation
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.engine.compilation import SharedDropPath, check_compile, compile_training, keep_gradients, segment_bounds
from mirl_mm.engine.launch import build_runner, load_config
from mirl_mm.models.backbones.presets import ARCHS
from mirl_mm.registry import MODELS
from mirl_mm.structures import DataSample
from tests.conftest import forget_runs
from tests.training import ROOT, small_config, write_class_folders, write_images


@pytest.fixture(autouse=True)
def _nothing_compiled():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def graphs() -> int:
    """Graphs that have been compiled; there must have been no break."""
    assert not counters["graph_break"], dict(counters["graph_break"])
    return counters["stats"]["unique_graphs"]


def backbone(**kwargs) -> dict:
    arch = {"depth": 8, "embed_dims": 16, "num_heads": 2}
    return {"type": "DeepViT", "arch": arch, "img_size": (32, 48), "patch_size": 8, **kwargs}


def mirl(num_segments: int = 4, decoder_depth: int = 1, **kwargs) -> MIRL:
    torch.manual_seed(0)
    decoder = {"decoder_embed_dims": 8, "decoder_depth": decoder_depth, "decoder_num_heads": 2}
    return MIRL(backbone(**kwargs), num_segments=num_segments, **decoder)


def recomputed_mirl() -> MIRL:
    model = mirl()
    checkpoint_activations(model)
    return model


def mae(**kwargs) -> MAE:
    torch.manual_seed(0)
    return MAE(backbone(**kwargs), decoder_embed_dims=8, decoder_depth=2, decoder_num_heads=2)


def classifier(**kwargs) -> ImageClassifier:
    torch.manual_seed(0)
    return ImageClassifier(backbone(**kwargs), {"type": "LinearClsHead", "num_classes": 3, "in_channels": 16})


def like_b48() -> MIRL:
    """ViT-B-48's pre-training, narrowed: its depth, segments, decoders and number of tokens."""
    settings = load_config(ROOT / "configs/pretrain/mirl_vitb48_in1k.py").model
    settings.backbone.arch = {"depth": ARCHS["vit-b-48"]["depth"], "embed_dims": 16, "num_heads": 2}
    settings.update(decoder_embed_dims=8, decoder_num_heads=2)
    torch.manual_seed(0)
    return MODELS.build(settings.to_dict())


def loss_of(model, amp: bool = False, seed: int = 1) -> torch.Tensor:
    """Of two images, always the same ones for a seed."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 3, *model.backbone.img_size, generator=generator).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
        if isinstance(model, ImageClassifier):
            return model(images, [DataSample(gt_label=label) for label in (0, 2)], mode="loss")["loss"]
        noise = torch.rand(2, model.num_patches, generator=generator).to(device)
        return model(images, mode="loss", noise=noise)["loss"]


def step(model, amp: bool = False, seed: int = 1) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients."""
    model.zero_grad()
    loss = loss_of(model, amp, seed)
    loss.backward()
    return loss.detach().clone(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def evaluate(model) -> None:
    """Another batch, in the modes of validation, k-NN and reconstruction."""
    model.eval()
    images = torch.randn(3, 3, *model.backbone.img_size, device=next(model.parameters()).device)
    with torch.no_grad():
        model.backbone.forward_tokens(images)
        for mode in ("predict", "tensor"):
            model(images, mode=mode)
    model.train()


#: What is built, how, and the graphs that it becomes.
CASES = {
    # a run of blocks, an embedding, a decoder at one length of memory and at any, target, loss
    "mirl": (mirl, {}, 6),
    "mirl, deep decoders": (mirl, {"decoder_depth": 2}, 6),
    "mirl, bf16": (mirl, {}, 6),
    "mirl, recomputed": (recomputed_mirl, {}, 6),
    "mirl like ViT-B-48's": (like_b48, {}, 6),
    "mae": (mae, {}, 5),
    "classifier": (classifier, {}, 1),
}


SLOW = ("mirl, deep decoders", "mirl, recomputed", "mirl like ViT-B-48's")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CASES]
)
def test_compiled_training_is_the_same_and_compiled_once(name):
    build, settings, expected = CASES[name]
    amp = name.endswith("bf16")
    loss, gradients = step(build(**settings), amp)
    model = build(**settings)
    compile_training(model, backend="aot_eager")
    for _ in range(3):
        found, found_gradients = step(model, amp)
        assert graphs() == expected
        assert torch.equal(found, loss)
        assert found_gradients.keys() == gradients.keys()
        assert all(torch.equal(found_gradients[key], gradients[key]) for key in gradients)
        evaluate(model)
    assert graphs() == expected


def test_blocks_of_different_drop_path_rates_share_a_graph():
    model = classifier(drop_path_rate=0.5)
    model.backbone.out_indices = (3, 7)
    compile_training(model, backend="aot_eager")
    for _ in range(2):
        step(model)
        assert graphs() == 2  # the first block drops nothing


def test_drop_path_keeps_the_mean_and_whole_samples():
    torch.manual_seed(0)
    layer = SharedDropPath(0.25)
    out = layer(torch.ones(4000, 3, 2))
    values = out[:, 0, 0]
    assert torch.equal(out, values[:, None, None].expand_as(out))
    assert set(values.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert out.mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(layer.eval()(out), out)
    assert not layer.state_dict()


def test_a_copy_has_its_own_weights():
    """As an average of the weights is one."""
    model = mirl()
    compile_training(model, backend="aot_eager")
    average = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(step(average)[0], step(mirl())[0])


@pytest.mark.parametrize(
    ("settings", "segment_depth", "expected"),
    [
        ({"depth": 54}, 9, range(0, 55, 9)),  # S-54's pre-training
        ({"depth": 48}, 8, range(0, 49, 8)),
        ({"depth": 48}, 48, range(0, 49, 12)),  # its fine-tuning
        ({"depth": 54}, 54, range(0, 55, 9)),
        ({"depth": 13}, 13, (0, 6, 13)),
        ({"depth": 54, "out_indices": (12, 26, 39, 53)}, 54, (0, 6, 13, 20, 27, 33, 40, 47, 54)),  # segmentation
        ({"depth": 12, "window_size": 2}, 12, (0, 12)),
        ({"depth": 48, "window_size": 2}, 48, range(0, 49, 12)),  # ViTDet: four quarters, alike
        ({"depth": 24, "window_size": 2, "global_attn_indexes": (0, 23)}, 24, (0, 12, 24)),
    ],
)
def test_where_the_encoder_is_cut(settings, segment_depth, expected):
    arch = {"depth": settings.pop("depth"), "embed_dims": 8, "num_heads": 1}
    with torch.device("meta"):
        model = DeepViT(arch, class_token="window_size" not in settings, **settings)
    assert segment_bounds(model, segment_depth) == list(expected)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (mirl, "4 runs of 2 blocks, 4 decoders, embeddings, target, losses; without CUDA graphs (no CUDA device)"),
        (recomputed_mirl, "8 blocks, one by one, 4 decoders, embeddings, target, losses; without CUDA graphs "),
    ],
)
def test_what_was_done_is_said(build, said):
    assert f"compiled for training: {said}" in str(compile_training(build(), backend="aot_eager"))


def test_what_cuda_graphs_are_given(monkeypatch):
    """A step's beginning for them, and why they are not there; with several processes they are asked for."""
    modes = []
    monkeypatch.setattr(torch, "compile", lambda function, *, mode, **_: modes.append(mode) or function)
    monkeypatch.setattr(compilation, "_no_graphs", lambda *_: "")
    steps = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: steps.append(1))
    model = mirl()
    assert str(compile_training(model)).endswith("as CUDA graphs")
    assert set(modes) == {"reduce-overhead"}
    step(model)
    evaluate(model)
    assert len(steps) == 1
    assert str(compile_training(mirl(), cuda_graphs=False)).endswith("without CUDA graphs")
    monkeypatch.setattr(compilation, "get_world_size", lambda: 2)
    assert "without CUDA graphs (several processes: " in str(compile_training(mirl()))
    assert str(compile_training(mirl(), cuda_graphs=True)).endswith("as CUDA graphs")
    with pytest.raises(ValueError, match="cuda_graphs=True can't be had here: activation checkpointing recomputes"):
        compile_training(recomputed_mirl(), cuda_graphs=True)


def test_kept_gradients_stay_where_they_are():
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    keep_gradients(optimizer)
    places = set()
    for _ in range(3):
        parameter.sum().backward()
        parameter.sum().backward()
        assert parameter.grad.tolist() == [2, 2]
        places.add(parameter.grad.data_ptr())
        optimizer.step()
        optimizer.zero_grad()
    assert len(places) == 1
    assert parameter.tolist() == [-2, -2]


@pytest.mark.parametrize("settings", ["yes", {"mode": "max-autotune"}, 1.0])
def test_bad_settings(settings):
    with pytest.raises(ValueError, match="compile must be True, False or a dict with backend and cuda_graphs, got"):
        check_compile(settings)


def test_a_model_without_our_backbone():
    with pytest.raises(
        ValueError, match="compile is for models on a plain backbone such as DeepViT, which Linear lacks"
    ):
        compile_training(torch.nn.Linear(2, 2))


def busy_configs(folder: Path) -> dict[str, Config]:
    """Two alike, neither compiled, of trainings with accumulation, validation, k-NN and reconstruction in between."""
    root = write_images(folder / "data", 18)
    (root / "val").symlink_to("train")
    labelled = write_class_folders(folder / "labelled")
    images = {"type": "ImageFolder", "data_root": str(labelled), "labelled": True}
    knn = {"type": "KNNHook", "train": {**images, "split": "train"}, "val": {**images, "split": "val"}, "k": 3}
    hooks = [{**knn, "interval": 1}, {"type": "ReconstructionHook", "interval": 1, "num_images": 2}]
    configs = {}
    for name in ("plain", "compiled"):
        cfg = small_config(root, folder / name, optim_wrapper__accumulative_counts=2, custom_hooks=hooks)
        cfg.compile = False
        cfg.val_dataloader = {**copy.deepcopy(cfg.train_dataloader), "drop_last": False}
        cfg.val_dataloader.dataset.split = "val"
        cfg.val_cfg, cfg.val_evaluator = {"type": "ValLoop"}, {"type": "MaskedLoss"}
        configs[name] = cfg
    return configs


def losses_of_run(cfg: Config) -> list[float]:
    forget_runs()
    runner = build_runner(cfg, ["train_dataloader", "val_dataloader"])
    runner.train()
    return runner.message_hub.get_scalar("train/loss").data[0].tolist()


def test_a_run_is_the_same_with_all_that_looks_in_between(tmp_path):
    """The log says what was compiled."""
    configs = busy_configs(tmp_path)
    configs["compiled"].compile = {"backend": "aot_eager"}
    losses = {name: losses_of_run(cfg) for name, cfg in configs.items()}
    assert len(losses["plain"]) == 8
    assert losses["compiled"] == losses["plain"]
    assert graphs() == 6
    (log,) = (tmp_path / "compiled").glob("*/*.log")
    assert log.read_text().count("compiled for training: 2 runs of 1 block") == 1


@pytest.mark.slow
@pytest.mark.parametrize("build", [mirl, mae, classifier])
def test_inductor_computes_the_same(build):
    loss, gradients = step(build())
    model = build()
    compile_training(model)
    for _ in range(2):
        found, found_gradients = step(model)
        torch.testing.assert_close(found, loss, rtol=1e-6, atol=0)
        for name, gradient in gradients.items():
            assert (found_gradients[name] - gradient).norm() <= 3e-6 * gradient.norm(), name
