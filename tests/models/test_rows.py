import pytest
import torch

from mirl_mm.models.layers.rows import TakeRows, take_rows


def unique_ids(batch: int, taken: int, rows: int) -> torch.Tensor:
    return torch.rand(batch, rows).argsort(dim=1)[:, :taken]


@pytest.mark.parametrize(("batch", "taken", "rows"), [(5, 7, 9), (1, 3, 3), (4, 1, 6)])
def test_a_gpus_way_equals_indexing(batch, taken, rows, device):
    torch.manual_seed(0)
    ids = unique_ids(batch, taken, rows).to(device)
    weight = torch.randn(batch, taken, 4, dtype=torch.double).to(device)
    results = []
    for function in (TakeRows.apply, take_rows, lambda table, ids: table[ids]):
        table = torch.randn(rows, 4, dtype=torch.double, generator=torch.Generator().manual_seed(1))
        table = table.to(device).requires_grad_()
        out = function(table, ids)
        (out * weight).sum().backward()
        results.append((out.detach(), table.grad))
    for out, gradient in results[:2]:
        assert torch.equal(out, results[2][0])
        torch.testing.assert_close(gradient, results[2][1], rtol=1e-13, atol=1e-13)


def test_gradients_of_bfloat16_rows_are_summed_in_float32(device):
    """256 times 1 / 256 is 1; bfloat16, which has 8 bits, would stop adding at a half."""
    ids = torch.zeros(256, 1, dtype=torch.long, device=device)
    for function in (TakeRows.apply, take_rows):
        table = torch.ones(3, 2, dtype=torch.bfloat16, device=device, requires_grad=True)
        (function(table, ids) * (1 / 256 + 2**-13)).sum().backward()
        expected = torch.tensor([256 * float(torch.tensor(1 / 256 + 2**-13, dtype=torch.bfloat16)), 0, 0])
        assert torch.equal(table.grad[:, 0].cpu().float(), expected.to(torch.bfloat16).float())
