"""A backbone is recognised by what it can do, whoever wrote it."""

import pytest
import torch
from torch import nn

from mirl_mm import DeepViT, ImageClassifier, TimmViT
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.engine.compilation import compile_training
from mirl_mm.models.backbones import PlainBackbone, is_backbone

SMALL = {"depth": 2, "embed_dims": 16, "num_heads": 2}


class Own(nn.Module):
    """Nothing of ours is in its ancestry: a DeepViT's methods by delegation, and blocks that take a context."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = DeepViT(SMALL, (16, 16), 8)
        for name in ("depth", "embed_dims", "blocks", "out_indices", "num_prefix_tokens", "has_class_token"):
            setattr(self, name, getattr(self.inner, name))
        self.asked: list[str] = []

    def embed(self, images, ids_keep=None):
        return self.inner.embed(images, ids_keep)

    def context(self, images, ids_keep=None):
        return None

    def run_blocks(self, x, start=0, stop=None, context=None):
        return self.inner.run_blocks(x, start, stop, context)

    def forward_tokens(self, images):
        self.asked.append("forward_tokens")
        return (self.run_blocks(self.embed(images)),)

    def get_layer_depth(self, name, prefix=""):
        return 0, self.depth + 2

    def no_weight_decay(self):
        return set()


def test_classes_and_modules():
    assert is_backbone(DeepViT) and is_backbone(TimmViT) and is_backbone(Own) and is_backbone(Own())
    assert not any(
        is_backbone(found) for found in (None, "DeepViT", nn.Linear, nn.Linear(1, 1), object, ImageClassifier)
    )
    assert not issubclass(Own, PlainBackbone)


def test_one_of_somebody_elses_is_trained_and_compiled():
    model = ImageClassifier(Own(), {"type": "LinearClsHead", "num_classes": 3})
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 3) and model.backbone.asked == ["forward_tokens"]
    assert compile_training(model, backend="eager").parts == ("1 run of 2 blocks",)


def test_a_context_goes_with_the_tokens():
    """Each block gets its own, in whichever runs the blocks are called, recomputed or not."""

    class Scaled(nn.Module):
        def forward(self, x, factor):
            return x * factor

    class Small(PlainBackbone):
        embed = get_layer_depth = no_weight_decay = lambda self: None

    model = Small()
    model.depth, model.blocks = 3, nn.ModuleList(Scaled() for _ in range(3))
    context = [{"factor": torch.tensor(float(n))} for n in (2, 3, 5)]
    x = torch.ones(1, 1, 1, requires_grad=True)
    assert model.run_blocks(x, context=context).item() == 30
    assert model.run_blocks(model.run_blocks(x, 0, 1, context), 1, 3, context).item() == 30
    checkpoint_activations(model)
    assert model.run_blocks(x, 1, context=context).item() == 15
    with pytest.raises(TypeError, match="factor"):
        model.run_blocks(x)
