"""Attention on maps: every way to compute it equals attention written out, with scores, bias and windows."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from mirl_mm.models.layers import MapAttention, attention_rel_pos, attention_rel_pos_cpu
from mirl_mm.models.layers.relative_position import relative_table, resize_relative
from mirl_mm.models.layers.window import from_windows, to_windows

DIM, HEADS = 24, 2


def interpolated(rel_pos: torch.Tensor, size: int) -> torch.Tensor:
    """Linear interpolation without aligned corners to ``2 * size - 1`` distances."""
    old, new = len(rel_pos), 2 * size - 1
    place = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
    low = place.floor().long()
    share = (place - low)[:, None].to(rel_pos.dtype)
    return rel_pos[low] * (1 - share) + rel_pos[(low + 1).clamp(max=old - 1)] * share


def explicit(attention: MapAttention, x: torch.Tensor) -> torch.Tensor:
    """Window by window, a score for each pair of places."""
    batch, height, width, _ = x.shape
    h, w = attention.window_size or (height, width)
    padded = F.pad(x, (0, 0, 0, -width % w, 0, -height % h))
    out = torch.zeros_like(padded)
    row, column = (place.flatten() for place in torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
    for top, left in itertools.product(range(0, height, h), range(0, width, w)):
        tokens = padded[:, top : top + h, left : left + w].reshape(batch, h * w, DIM)
        q, k, v = attention.qkv(tokens).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) * (DIM // HEADS) ** -0.5
        if attention.rel_pos_size is not None:
            for rel_pos, place, side in ((attention.rel_pos_h, row, h), (attention.rel_pos_w, column, w)):
                embedding = interpolated(rel_pos, side)[place[:, None] - place + side - 1]  # (N, N, D)
                scores = scores + torch.einsum("bnqd,qkd->bnqk", q, embedding)
        result = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, h, w, DIM)
        out[:, top : top + h, left : left + w] = attention.proj(result)
    return out[:, :height, :width]


def make(window_size=None, rel_pos_size=None, seed: int = 0, std: float = 0.5) -> MapAttention:
    torch.manual_seed(seed)
    attention = MapAttention(DIM, HEADS, window_size, rel_pos_size).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return attention


def result(function, attention: MapAttention, x: torch.Tensor) -> list[torch.Tensor]:
    """Output and gradients of the input and all parameters."""
    x = x.clone().requires_grad_()
    out = function(attention, x)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(9)).to(out.dtype)
    return [out.detach(), *torch.autograd.grad(out, [x, *attention.parameters()], weight)]


@pytest.fixture(params=["tiles", "small tiles", "appended"])
def way(request, monkeypatch):
    if request.param == "small tiles":
        monkeypatch.setattr(attention_rel_pos_cpu, "TILE_SCORES", 100)
    if request.param == "appended":
        monkeypatch.setattr(attention_rel_pos, "_in_tiles", lambda q: False)
    return request.param


@pytest.mark.parametrize(
    ("window", "rel_pos_size"),
    [
        (None, None),
        (None, (5, 7)),
        pytest.param(None, (8, 3), id="interpolated up and down"),
        ((4, 4), (4, 4)),
        pytest.param((2, 3), (2, 3), id="wide windows"),
        pytest.param((3, 2), (5, 4), id="windows of another size than their embeddings"),
        pytest.param((9, 9), (9, 9), id="window beyond the map"),
        ((4, 4), None),
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.usefixtures("way")
def test_equals_attention_written_out(window, rel_pos_size, batch):
    attention, x = make(window, rel_pos_size), torch.randn(batch, 5, 7, DIM, dtype=torch.float64)
    truth = result(explicit, attention, x)
    for ours, theirs in zip(result(lambda module, x: module(x), attention, x), truth, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_tiles_cut_groups_and_rows(monkeypatch):
    monkeypatch.setattr(attention_rel_pos_cpu, "TILE_SCORES", 100)
    q = torch.randn(5, 3, 4, 6)
    tables = torch.randn(3, 3, 6), torch.randn(4, 4, 6)
    tiles = list(attention_rel_pos_cpu._Scores(q, q, *tables).tiles())
    assert len(tiles) == 10 and tiles[1] == (slice(0, 1), slice(8, 16))
    monkeypatch.setattr(attention_rel_pos_cpu, "TILE_SCORES", 300)
    assert list(attention_rel_pos_cpu._Scores(q, q, *tables).tiles())[1] == (slice(2, 4), slice(0, 12))


def test_the_gpus_way_is_fused_and_stores_no_scores():
    """Heads of q, k and v are equally wide, a multiple of 8: what fused kernels want."""
    q = torch.randn(1, 2, 5, 7, 12)
    tables = torch.randn(5, 5, 12), torch.randn(7, 7, 12)
    assert {x.shape for x in attention_rel_pos.append_relative(q, q, q, tables)} == {(1, 2, 5, 7, 24)}
    q, k, _ = attention_rel_pos.append_relative(q, q[..., :1, :1, :].expand_as(q), q, tables)
    found = (q[0, 0, 2, 6] @ k[0, 0, 4, 1]) * 12**-0.5
    own = q[0, 0, 2, 6, :12]
    wanted = own @ k[0, 0, 4, 1, :12] * 12**-0.5 + own @ tables[0][2, 4] + own @ tables[1][6, 1]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("window", [None, (4, 4)])
@pytest.mark.usefixtures("way")
def test_bfloat16_is_nearer_to_the_truth_than_stored_scores(window):
    attention, x = make(window, window or (5, 7), std=0.3), torch.randn(2, 5, 7, DIM, dtype=torch.float64)
    truth = result(explicit, attention, x)
    attention, x = attention.float(), x.float()

    def errors(function):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = result(function, attention, x)
        return [((a.double() - b).norm() / b.norm()).item() for a, b in zip(found, truth, strict=True)]

    ours, stored = errors(lambda module, x: module(x)), errors(explicit)
    assert max(ours) < 0.03
    assert sum(ours) < sum(stored)


def test_padding_takes_part_in_attention():
    attention = make((4, 4))
    x = torch.randn(1, 3, 4, DIM, dtype=torch.float64)
    alone = make(None)
    assert not torch.allclose(attention(x), alone(x))
    padded = F.pad(x, (0, 0, 0, 0, 0, 1))
    torch.testing.assert_close(attention(x), alone(padded)[:, :3])


def test_relative_positions_are_interpolated_on_load():
    source, target = make(None, (6, 9), seed=1), make(None, (4, 12))
    x = torch.randn(1, 4, 12, DIM, dtype=torch.float64)
    target.load_state_dict(source.state_dict())
    assert target.rel_pos_h.shape == (7, 12) and target.rel_pos_w.shape == (23, 12)
    torch.testing.assert_close(target(x), source(x))


def test_a_table_holds_each_distance():
    rel_pos = torch.arange(7.0)[:, None]
    table = relative_table(rel_pos, 4)[..., 0]
    assert table[0].tolist() == [3, 2, 1, 0] and table[3].tolist() == [6, 5, 4, 3]
    assert resize_relative(rel_pos, 4) is rel_pos
    torch.testing.assert_close(resize_relative(rel_pos, 6), interpolated(rel_pos, 6))


def test_windows_and_back():
    x = torch.randn(2, 6, 8, 3)
    windows = to_windows(x, (3, 2))
    assert windows.shape == (2, 2, 4, 3, 2, 3)
    assert torch.equal(windows[1, 1, 2], x[1, 3:6, 4:6])
    assert torch.equal(from_windows(windows), x)


def test_gradients_by_finite_differences(monkeypatch):
    monkeypatch.setattr(attention_rel_pos_cpu, "TILE_SCORES", 40)
    torch.manual_seed(0)
    leaves = [torch.randn(2, 3, 2, 4), torch.randn(2, 3, 2, 4), torch.randn(2, 3, 2, 4)]
    leaves += [torch.randn(3, 3, 4), torch.randn(2, 2, 4)]
    leaves = [leaf.double().requires_grad_() for leaf in leaves]
    assert torch.autograd.gradcheck(attention_rel_pos_cpu.TiledMapAttention.apply, leaves)
