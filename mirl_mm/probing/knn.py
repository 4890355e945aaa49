"""Weighted k-nearest-neighbour classification of frozen features.

As in Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (CVPR 2018), section 3.4,
and DINO's ``eval_knn.py``: cosine similarity s, k = 20 neighbours, each voting for its class with exp(s / 0.07).
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mirl_mm.progress import progress


def knn_scores(
    bank: Tensor,
    labels: Tensor,
    queries: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    device: str | torch.device = "cpu",
    query_chunk: int = 1024,
    bank_chunk: int = 32768,
    title: str = "",
) -> Tensor:
    """Sum of the neighbours' votes for each class.

    The similarities, ``query_chunk`` x ``bank_chunk`` float32 at a time (134 MB), are never held as a whole: the bank
    goes to the device piece by piece, once, and each query keeps its k best so far. It takes 2 N Q C operations: 98
    TFLOP for ImageNet (N = 1,281,167, Q = 50,000, C = 768), by arithmetic some seconds on a GPU that does 50 TFLOP/s in
    float32, and about twenty minutes on a CPU that does 100 GFLOP/s.

    The result is exact. Only where several bank entries are equally similar at the k-th place, as copies of an image
    are, it is left open which of them vote.

    Args:
        bank: ``(N, C)``, features of labelled images, of any floating-point type and length.
        labels: ``(N,)`` int64 in 0..``num_classes`` - 1.
        queries: ``(Q, C)``.
        num_classes: K.
        k: Neighbours.
        temperature: By which similarities, in -1..1, are divided.
        device: Where to compute.
        query_chunk: Queries at a time.
        bank_chunk: Bank entries at a time.
        title: Of the progress bar; empty: none.

    Returns:
        ``(Q, K)`` float32 on the CPU.

    Raises:
        ValueError: If the bank has fewer than k entries, or k or the temperature is not positive.
    """
    check_knn(k, temperature, len(bank))
    ready = normalize(queries.to(device, torch.float32), dim=1)
    best = torch.full((len(queries), k), -torch.inf, device=device)
    owners = torch.zeros(len(queries), k, dtype=torch.int64, device=device)  # the labels of those
    for start in progress(range(0, len(bank), bank_chunk), title):
        part = normalize(bank[start : start + bank_chunk].to(device, torch.float32), dim=1).t()
        part_labels = labels[start : start + bank_chunk].to(device)
        for first in range(0, len(queries), query_chunk):
            rows = slice(first, first + query_chunk)
            similar, indices = (ready[rows] @ part).topk(min(k, part.shape[1]), dim=1, sorted=False)
            candidates = torch.cat([best[rows], similar], dim=1)
            theirs = torch.cat([owners[rows], part_labels[indices]], dim=1)
            best[rows], indices = candidates.topk(k, dim=1, sorted=False)
            owners[rows] = theirs.gather(1, indices)
    scores = torch.zeros(len(queries), num_classes, dtype=torch.float64)
    scores.scatter_add_(1, owners.cpu(), (best.cpu().double() / temperature).exp())
    return scores.float()


def check_knn(k: int, temperature: float, bank_size: int) -> None:
    """Raise a ValueError for settings with which no vote can be held."""
    if k < 1 or temperature <= 0:
        raise ValueError(f"k must be at least 1 and the temperature positive, got {k} and {temperature}")
    if k > bank_size:
        raise ValueError(f"k = {k} neighbours need at least as many labelled images, there are {bank_size}: lower k")


def topk_accuracy(scores: Tensor, labels: Tensor, k: int = 1) -> float:
    """Share in percent of images whose class is among the k of highest score.

    Of classes with equal scores those of lower number come first.

    Args:
        scores: ``(Q, K)``.
        labels: ``(Q,)`` int64.
        k: How many classes count.
    """
    own = scores.gather(1, labels[:, None])
    lower = torch.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & lower)
    return 100 * (ahead.sum(dim=1) < k).double().mean().item()
