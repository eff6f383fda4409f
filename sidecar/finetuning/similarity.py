"""Fits the embedding: one linear layer on the middle of the network, in closed form, after everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sidecar.finetuning.fit import collate
from sidecar.finetuning.network import Classifier
from sidecar.inference.tokenizer import PromptTokenizer

# How strongly the layer is held to what it was, in units of what the texts say: little data changes it little.
_RIDGE = 0.01

_BATCH = 32


def embeddings(network: Classifier, texts: Sequence[str], tokenizer: PromptTokenizer) -> Tensor:
    """(texts, width), each of length 1."""
    return _batched(network, texts, tokenizer, lambda ids, mask, characters: network(ids, mask, characters).embedding)


def fit_similarity(network: Classifier, texts: Sequence[str], targets: Tensor, tokenizer: PromptTokenizer) -> None:
    """Bring the embeddings of the texts near the targets, by ridge regression towards the weights there are."""

    def middle_mean(ids: Tensor, mask: Tensor, _characters: Tensor) -> Tensor:
        _, middle = network.encoder(ids, mask)
        weights = mask.unsqueeze(-1).to(middle.dtype)
        return (middle * weights).sum(dim=1) / weights.sum(dim=1)

    means = _batched(network, texts, tokenizer, middle_mean).double()
    inputs = torch.cat([means, torch.ones(len(means), 1, dtype=torch.float64)], dim=1)
    layer = network.similarity
    present = torch.cat([layer.weight.detach().T, layer.bias.detach().unsqueeze(0)]).double()
    products = inputs.T @ inputs
    held = _RIDGE * products.diagonal().mean() * torch.eye(inputs.size(1), dtype=torch.float64)
    change = torch.linalg.solve(products + held, inputs.T @ (targets.double() - inputs @ present))
    fitted = (present + change).float()
    with torch.no_grad():
        layer.weight.copy_(fitted[:-1].T)
        layer.bias.copy_(fitted[-1])


def _batched(
    network: Classifier,
    texts: Sequence[str],
    tokenizer: PromptTokenizer,
    run: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """One row for each text, in their order; texts of like length are run together."""
    network.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows = []
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            tokens = [tokenizer.encode(texts[i]) for i in order[start : start + _BATCH]]
            rows.append(run(*collate([t.input_ids[0] for t in tokens], [t.characters for t in tokens])))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(rows)[back].clone()
