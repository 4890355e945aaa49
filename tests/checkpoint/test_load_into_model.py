"""What enters a model, and that nothing does where weights don't belong to it."""

import pytest
import torch
from torch import nn

from mirl_mm.checkpoint import Exact, Weights, load_into

EXACT = Exact(lambda report: f"no: {report}")


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))


def changed(model, **others):
    return {name: tensor + 1 for name, tensor in model.state_dict().items()} | others


def test_all_of_it_or_nothing(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wanted = changed(model)
    for wrong, message in (
        ({**wanted, "2.weight": torch.ones(1)}, "no: 4 tensors fit; 1 unexpected: 2.weight"),
        ({**wanted, "0.weight": torch.ones(5, 2)}, r"no: .*1 of another shape: 0.weight \[5, 2\] for \[3, 2\]"),
        ({name: wanted[name] for name in list(wanted)[1:]}, "no: 3 tensors fit; 1 missing: 0.weight"),
    ):
        with pytest.raises(ValueError, match=message):
            load_into(model, Weights(wrong), EXACT)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    reports = []
    load_into(model, Weights(wanted), Exact(EXACT.refusal, accept=reports.append))
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())
    assert [str(report) for report in reports] == ["4 tensors fit"]


def test_what_fits_may_be_exchanged_before_it_is_copied(model):
    average = changed(model)
    load_into(model, Weights(model.state_dict()), EXACT, before_copy=lambda state: average if len(state) == 4 else {})
    assert all(torch.equal(tensor, average[name]) for name, tensor in model.state_dict().items())


def test_positions_of_another_grid():
    class Positions(nn.Module):
        def __init__(self, number):
            super().__init__()
            self.pos_embed = nn.Parameter(torch.zeros(1, number, 4))
            self.register_load_state_dict_pre_hook(
                lambda _, state, *__: state.update(pos_embed=self.pos_embed.data + 1)
            )

    model, weights = Positions(5), Weights(Positions(10).state_dict())
    with pytest.raises(ValueError, match="no: 0 tensors fit; 1 resized: pos_embed"):
        load_into(model, weights, EXACT)
    load_into(model, weights, Exact(EXACT.refusal, resampled=True))
    assert (model.pos_embed == 1).all()
