"""What the network promises of its outputs, whatever its weights."""

import pytest
import torch

from sidecar.finetuning.fit import collate
from sidecar.finetuning.network import Classifier, Outputs
from sidecar.inference.tokenizer import PromptTokenizer
from sidecar.routing.tier import Tier
from tests.finetuning.with_torch.small import INTENTS, SHAPE, small_network

TEXTS = ["refund", "prove that the outage is still about my order today", "address and refund please"]


def run(network: Classifier, tokenizer: PromptTokenizer, texts: list[str]) -> Outputs:
    """All in one batch."""
    each = [tokenizer.encode(text) for text in texts]
    with torch.inference_mode():
        outputs: Outputs = network(*collate([t.input_ids[0] for t in each], [t.characters for t in each]))
    return outputs


@pytest.mark.parametrize("count", [1, 3])
def test_outputs_have_a_row_for_each_prompt(tokenizer: PromptTokenizer, count: int) -> None:
    outputs = run(small_network(), tokenizer, TEXTS[:count])

    assert outputs.intent_logits.shape == (count, len(INTENTS))
    assert outputs.difficulty_logit.shape == (count,)
    assert outputs.embedding.shape == (count, SHAPE.width)
    assert outputs.tier_logits.shape == (count, len(Tier) - 1)
    torch.testing.assert_close(outputs.embedding.norm(dim=1), torch.ones(count))


def test_padding_changes_no_answer(tokenizer: PromptTokenizer) -> None:
    network = small_network()

    together = run(network, tokenizer, TEXTS)

    for row, text in enumerate(TEXTS):
        for alone, of_batch in zip(run(network, tokenizer, [text]), together, strict=True):
            torch.testing.assert_close(alone[0], of_batch[row], rtol=1e-4, atol=1e-5)


def test_difficulty_rises_with_every_tier_logit(tokenizer: PromptTokenizer) -> None:
    """It is the mean probability of needing more than each tier, so it cannot contradict them."""
    network = small_network()
    before = run(network, tokenizer, TEXTS)
    probability = before.tier_logits.sigmoid().mean(dim=1)
    torch.testing.assert_close(before.difficulty_logit.sigmoid(), probability)
    # The higher the tier, the fewer prompts need more than it.
    assert (before.tier_logits.diff(dim=1) < 0).all()

    for cut in range(len(Tier) - 1):
        harder = small_network()
        with torch.no_grad():
            harder.cuts[cut] -= 0.5
        assert (run(harder, tokenizer, TEXTS).difficulty_logit > before.difficulty_logit).all()


def test_a_longer_prompt_can_be_harder_though_it_is_cut_to_the_same_tokens(tokenizer: PromptTokenizer) -> None:
    network = small_network()
    with torch.no_grad():
        network.difficulty_length.weight[0, 1] = 5.0
    text = "order " * 300

    shorter, longer = run(network, tokenizer, [text, text * 10]).difficulty_logit.tolist()

    assert longer > shorter


def test_the_temperature_flattens_the_intents_and_changes_no_order(tokenizer: PromptTokenizer) -> None:
    network = small_network()
    sharp = run(network, tokenizer, TEXTS).intent_logits.softmax(dim=1)
    network.temperature.fill_(4.0)

    flat = run(network, tokenizer, TEXTS).intent_logits.softmax(dim=1)

    assert (flat.max(dim=1).values < sharp.max(dim=1).values).all()
    assert flat.argmax(dim=1).tolist() == sharp.argmax(dim=1).tolist()
