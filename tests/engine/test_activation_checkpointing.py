"""Blocks that are recomputed: from the config to the same training, and what earlier versions called it."""

import copy

import pytest
import torch

from mirl_mm import DeepViT
from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.embedded_config import own_config
from mirl_mm.config import read_config
from mirl_mm.engine.activation_checkpointing import checkpoint_activations, is_checkpointed
from mirl_mm.engine.launch import build_runner, load_config
from tests.conftest import forget_runs
from tests.training import ROOT, small_config, write_images

SMALL = {"depth": 2, "embed_dims": 16, "num_heads": 2}


def kept_inputs(model: DeepViT) -> tuple[list[int], torch.Tensor]:
    """How often each block's MLP is computed in a forward and backward pass, and a gradient."""
    calls = [0] * model.depth
    for index, block in enumerate(model.blocks):
        block.mlp.register_forward_pre_hook(lambda *_, index=index: calls.__setitem__(index, calls[index] + 1))
    model(torch.ones(1, 3, 32, 32))[0].square().sum().backward()
    return calls, model.patch_embed.proj.weight.grad


def test_blocks_are_computed_twice_and_copies_have_their_own():
    torch.manual_seed(0)
    model = DeepViT(SMALL, (32, 32))
    plain = copy.deepcopy(model)
    checkpoint_activations(model)
    copied = copy.deepcopy(model)
    assert is_checkpointed(model) and is_checkpointed(copied) and not is_checkpointed(plain)
    assert list(model.state_dict()) == list(plain.state_dict())
    calls, gradient = kept_inputs(model)
    assert calls == [2, 2]
    expected_calls, expected = kept_inputs(plain)
    assert expected_calls == [1, 1] and torch.equal(gradient, expected)
    with torch.no_grad():
        copied.blocks[0].mlp.fc2.bias += 1
        assert not torch.equal(copied(torch.ones(1, 3, 32, 32))[0], model(torch.ones(1, 3, 32, 32))[0])


def test_a_config_asks_for_it(tmp_path):
    """The training is the same; its checkpoint is an ordinary one."""
    root = write_images(tmp_path / "data", 8)
    losses, states = [], []
    for setting in (False, True):
        cfg = small_config(root, tmp_path / str(setting), activation_checkpointing=setting, train_cfg__max_epochs=1)
        forget_runs()
        runner = build_runner(cfg, ["train_dataloader"])
        assert is_checkpointed(runner.model.backbone) is setting
        runner.train()
        losses.append(runner.message_hub.get_scalar("train/loss").data[0].tolist())
        states.append(runner.model.state_dict())
    assert losses[0] == losses[1] and len(losses[0]) > 1
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("setting", ["blocks", ["backbone.blocks.0"], 1])
def test_other_values_are_refused(setting, tmp_path):
    cfg = small_config(write_images(tmp_path / "data", 8), tmp_path / "run")
    cfg.activation_checkpointing = setting
    with pytest.raises(ValueError, match="activation_checkpointing must be True or False, got "):
        build_runner(cfg, ["train_dataloader"])


def test_models_without_a_backbone_are_refused():
    with pytest.raises(ValueError, match="a plain backbone such as DeepViT, which Linear lacks"):
        checkpoint_activations(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("kind", ["DeepViT", "mirl_mm.DeepViT"])
def test_configs_of_before_say_it_otherwise(kind, tmp_path):
    """``with_cp`` of the backbone, in a file and in a checkpoint; an override tells what it is called now."""
    model = {"type": "MAE", "backbone": {"type": kind, "arch": SMALL, "with_cp": True}}
    path = tmp_path / "before.py"
    path.write_text(f"model = {model}\n")
    cfg = read_config(path)
    assert cfg.activation_checkpointing is True and "with_cp" not in cfg.model.backbone
    state = {f"backbone.{name}": tensor for name, tensor in DeepViT(SMALL).state_dict().items()}
    torch.save({"state_dict": state, "meta": {"cfg": path.read_text()}}, tmp_path / "a.pth")
    found = own_config(read_any(tmp_path / "a.pth"), "a.pth")
    assert "with_cp" not in found.model.backbone
    other = tmp_path / "resnet.py"
    other.write_text("model = dict(backbone=dict(type='mmdet.ResNet', with_cp=True))\n")
    assert read_config(other).model.backbone.with_cp is True
    with pytest.raises(ValueError, match=r"has no 'with_cp'; it is activation_checkpointing now, outside of the model"):
        load_config(ROOT / "configs/pretrain/mirl_tiny24_64px.py", {"model.backbone.with_cp": True})
