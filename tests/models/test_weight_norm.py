import torch
from torch import nn

from mirl_mm import MIRL
from mirl_mm.checkpoint.training_state import read_whole
from mirl_mm.models.layers import WeightNormLinear


def linears() -> tuple[WeightNormLinear, nn.Module]:
    """Ours, and PyTorch's parametrisation of the same layer."""
    torch.manual_seed(0)
    linear = nn.Linear(6, 10)
    ours = WeightNormLinear(nn.Linear(6, 10))
    theirs = nn.utils.parametrizations.weight_norm(linear, dim=1)
    nn.init.ones_(theirs.parametrizations.weight.original0).requires_grad_(False)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_output_and_gradients_are_those_of_pytorchs_parametrisation():
    x = torch.randn(3, 5, 6)
    outputs, gradients = [], []
    for layer in linears():
        outputs.append(layer(x))
        outputs[-1].square().sum().backward()
        gradients.append([p.grad for p in layer.parameters() if p.requires_grad])
    assert torch.equal(*outputs)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert len(gradients[0]) == 2  # the length is frozen


def test_the_weights_columns_have_length_one_at_any_scale():
    layer = WeightNormLinear(nn.Linear(6, 10))
    with torch.no_grad():
        layer.v.mul_(torch.linspace(0.1, 30, 6))
    weight = layer(torch.eye(6)) - layer.bias  # row i: column i of W
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(6))


def test_parameters_are_in_the_order_of_earlier_versions():
    """Optimisers number their states by it."""
    ours, theirs = linears()
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


def test_all_layers_are_of_one_class():
    arch = {"depth": 2, "embed_dims": 24, "num_heads": 3}
    model = MIRL({"type": "DeepViT", "arch": arch, "img_size": (16, 16), "patch_size": 8}, num_segments=2)
    assert {type(decoder.pred) for decoder in model.decoders} == {WeightNormLinear}


def test_checkpoints_of_earlier_versions(tmp_path):
    ours, theirs = linears()
    state = {f"decoders.0.pred.{name}": value for name, value in theirs.state_dict().items()}
    averaged = {f"module.{name}": value for name, value in state.items()}
    rest = {"meta": {"epoch": 1, "iter": 1}, "message_hub": {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}}
    torch.save({**rest, "state_dict": state, "ema_state_dict": averaged}, tmp_path / "a.pth")
    found = read_whole(tmp_path / "a.pth")
    assert found["state_dict"].keys() == {f"decoders.0.pred.{name}" for name in ours.state_dict()}
    assert found["ema_state_dict"].keys() == {f"module.decoders.0.pred.{name}" for name in ours.state_dict()}
    assert torch.equal(found["state_dict"]["decoders.0.pred.v"], ours.v)
