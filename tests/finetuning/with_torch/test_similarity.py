"""The embedding is fitted after everything else, and a new model keeps what examples mean."""

import torch

from sidecar.finetuning.similarity import embeddings, fit_similarity
from sidecar.inference.tokenizer import PromptTokenizer
from tests.finetuning.with_torch.small import FILLERS, TOPICS, small_network

TEXTS = [f"{topic} {filler}" for topic in TOPICS for filler in FILLERS]


def test_embeddings_come_in_the_order_of_the_texts_and_have_length_one(tokenizer: PromptTokenizer) -> None:
    network = small_network()

    found = embeddings(network, TEXTS, tokenizer)

    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(TEXTS)))
    for i in (0, len(TEXTS) // 2, len(TEXTS) - 1):
        torch.testing.assert_close(found[i : i + 1], embeddings(network, [TEXTS[i]], tokenizer), atol=1e-5, rtol=0)


def test_fitting_brings_another_networks_embeddings_back(tokenizer: PromptTokenizer) -> None:
    targets = embeddings(small_network(), TEXTS, tokenizer)
    network = small_network(seed=1)
    before = (embeddings(network, TEXTS, tokenizer) * targets).sum(dim=1).mean()

    fit_similarity(network, TEXTS, targets, tokenizer)

    after = (embeddings(network, TEXTS, tokenizer) * targets).sum(dim=1).mean()
    assert after > before + 0.1


def test_what_is_right_already_is_left_alone(tokenizer: PromptTokenizer) -> None:
    network = small_network()
    # Not of length 1: what the layer itself gives is what it would be fitted to.
    targets = embeddings(network, TEXTS, tokenizer)
    fit_similarity(network, TEXTS, targets, tokenizer)
    settled = embeddings(network, TEXTS, tokenizer)

    fit_similarity(network, TEXTS, targets, tokenizer)

    assert (embeddings(network, TEXTS, tokenizer) * settled).sum(dim=1).min() > 0.9
