"""Weighted k-NN against the definition, written plainly."""

import numpy as np
import pytest
import torch

from mirl_mm.probing.knn import knn_scores, topk_accuracy


def plain_knn(bank, labels, queries, num_classes, k, temperature):
    """Wu et al. 2018, section 3.4, one query at a time."""
    scores = np.zeros((len(queries), num_classes))
    for i, query in enumerate(queries):
        cosines = bank @ query / (np.linalg.norm(bank, axis=1) * np.linalg.norm(query))
        for j in np.argsort(-cosines)[:k]:
            scores[i, labels[j]] += np.exp(cosines[j] / temperature)
    return scores


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(157, 12)) + 1, rng.normal(size=(41, 12)) + 1
    return bank, rng.integers(0, 7, 157), queries


@pytest.mark.parametrize("chunks", [(1024, 32768), (10, 13), (41, 157), (1, 1)])
@pytest.mark.parametrize("k", [1, 20, 157])
def test_equals_the_definition_in_any_chunks(data, chunks, k, device):
    bank, labels, queries = data
    expected = plain_knn(bank, labels, queries, 9, k, 0.07)
    found = knn_scores(
        torch.tensor(bank),
        torch.tensor(labels),
        torch.tensor(queries),
        9,
        k,
        device=device,
        query_chunk=chunks[0],
        bank_chunk=chunks[1],
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)
    assert (found[:, 7:] == 0).all()  # classes without an image


def test_the_length_of_features_has_no_influence(data):
    bank, labels, queries = (torch.tensor(array) for array in data)
    lengths = torch.linspace(0.1, 50, len(bank))[:, None]
    scaled = knn_scores(bank * lengths, labels, queries, 7)
    torch.testing.assert_close(scaled, knn_scores(bank, labels, queries, 7), rtol=1e-4, atol=0)


def test_temperature_decides_between_one_near_and_two_far():
    bank = torch.tensor([[1.0, 0.0], [0.9, 0.435889894], [0.9, 0.435889894]])
    labels = torch.tensor([0, 1, 1])
    query = torch.tensor([[1.0, 0.0]])
    assert knn_scores(bank, labels, query, 2, k=3, temperature=0.07).argmax() == 0  # exp(0.1 / 0.07) > 2
    assert knn_scores(bank, labels, query, 2, k=3, temperature=1.0).argmax() == 1


def test_copies_of_an_image_all_vote():
    bank = torch.tensor([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 3)
    labels = torch.tensor([2, 2, 0, 0, 0, 1, 1, 1])
    scores = knn_scores(bank, labels, torch.tensor([[2.0, 0.0]]), 3, k=5, temperature=1.0, bank_chunk=2)
    torch.testing.assert_close(scores, torch.e * torch.tensor([[3.0, 0.0, 2.0]]))


def test_half_precision_features(data):
    bank, labels, queries = (torch.tensor(array) for array in data)
    half = knn_scores(bank.half(), labels, queries.half(), 7)
    torch.testing.assert_close(half, knn_scores(bank.half().double(), labels, queries.half().double(), 7))


def test_topk_accuracy():
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    labels = torch.tensor([1, 2, 0, 1])
    assert topk_accuracy(scores, labels, 1) == 25
    assert topk_accuracy(scores, labels, 2) == 50  # of the equal classes 0 and 1 the first counts
    assert topk_accuracy(scores, labels, 3) == topk_accuracy(scores, labels, 5) == 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 158}, "k = 158 neighbours need at least as many labelled images, there are 157: lower k"),
        ({"k": 0}, "k must be at least 1 and the temperature positive, got 0 and 0.07"),
        ({"temperature": 0.0}, "temperature positive, got 20 and 0.0"),
    ],
)
def test_refusals(data, settings, message):
    bank, labels, queries = (torch.tensor(array) for array in data)
    with pytest.raises(ValueError, match=message):
        knn_scores(bank, labels, queries, 7, **settings)
