"""The network: DistilBERT's encoder, a masked mean of its outputs, and two heads on that mean.

Module names are those of transformers' DistilBertModel, so weights go back and forth by name; written out here
because the exported graph stays plain (which is what quantises best) and the file reads in one go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sidecar.routing.tier import Tier

# log2 of the longest text that is read (128 tokens) and of a long document become about 1.
_LOG_TOKENS = 7.0
_LOG_CHARACTERS = 14.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of the encoder; the defaults are all-MiniLM-L6-v2's."""

    vocabulary: int = 30_522
    positions: int = 512
    width: int = 384
    layers: int = 6
    heads: int = 12
    inner_width: int = 1_536


class Embeddings(nn.Module):
    """Word plus position; the token-type embedding is constant here and lives in the positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.width, padding_idx=0)
        self.position_embeddings = nn.Embedding(shape.positions, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.size(1), device=input_ids.device).unsqueeze(0)
        summed = self.word_embeddings(input_ids) + self.position_embeddings(positions)
        return self.dropout(self.LayerNorm(summed))


class Attention(nn.Module):
    """Multi-head self-attention that ignores padding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.head_width = shape.width // shape.heads
        self.q_lin = nn.Linear(shape.width, shape.width)
        self.k_lin = nn.Linear(shape.width, shape.width)
        self.v_lin = nn.Linear(shape.width, shape.width)
        self.out_lin = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor, padding_bias: Tensor | None) -> Tensor:
        batch, length, width = x.shape

        def by_head(flat: Tensor) -> Tensor:
            return flat.view(batch, length, self.heads, self.head_width).transpose(1, 2)

        query, key, value = by_head(self.q_lin(x)), by_head(self.k_lin(x)), by_head(self.v_lin(x))
        scores = query @ key.transpose(2, 3) * self.head_width**-0.5
        if padding_bias is not None:
            scores = scores + padding_bias
        mixed = scores.softmax(dim=-1) @ value
        return self.out_lin(mixed.transpose(1, 2).reshape(batch, length, width))


# A few channels of the pretrained feedforward layers reach 20, and leave the others little of the one scale that all
# share in int8. The network is fitted with this limit, which it hardly misses.
LARGEST_ACTIVATION = 6.0
SMALLEST_ACTIVATION = -0.17
"""What GELU itself does not go below."""


class Feedforward(nn.Module):
    """The two linear layers between attentions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.lin1 = nn.Linear(shape.width, shape.inner_width)
        self.lin2 = nn.Linear(shape.inner_width, shape.width)
        self.dropout = nn.Dropout(0.1)
        self.limit = LARGEST_ACTIVATION

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.lin2(functional.gelu(self.lin1(x)).clamp(max=self.limit)))


class Layer(nn.Module):
    """One transformer layer, normalised after each sum."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.sa_layer_norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.ffn = Feedforward(shape)
        self.output_layer_norm = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, x: Tensor, padding_bias: Tensor | None) -> Tensor:
        x = self.sa_layer_norm(x + self.attention(x, padding_bias))
        return self.output_layer_norm(x + self.ffn(x))


class Encoder(nn.Module):
    """Token ids to one vector per token, after the last layer and after the middle one."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.transformer = nn.ModuleDict({"layer": nn.ModuleList(Layer(shape) for _ in range(shape.layers))})

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Without a mask, no row is padded."""
        padding_bias = None
        if attention_mask is not None:
            padding_bias = (1.0 - attention_mask[:, None, None, :].float()) * -10_000.0
        x = middle = self.embeddings(input_ids)
        layers = self.transformer["layer"]
        for place, layer in enumerate(layers, 1):
            x = layer(x, padding_bias)
            if place == (len(layers) + 1) // 2:
                middle = x
        return x, middle


class Outputs(NamedTuple):
    """What the network says of a batch."""

    intent_logits: Tensor
    """(batch, intents), temperature applied."""
    difficulty_logit: Tensor
    """(batch)."""
    embedding: Tensor
    """(batch, width), of length 1: the more alike two prompts are in what they say, the larger its product."""
    tier_logits: Tensor
    """(batch, tiers - 1): of the prompt needing more than tier 0, 1, 2. For training; the graph leaves them out."""


class Classifier(nn.Module):
    """An intent, a difficulty and an embedding for each prompt.

    Difficulty is ordinal: one number for each prompt, and for each tier a cut that is the same for all prompts
    (Frank and Hall's decomposition with shared weights, as in CORAL, arXiv 1901.07884). What leaves the network is
    the mean probability of needing more than each of the lower tiers: 0 when any model will do, 1 when only the
    strongest will.
    """

    def __init__(self, shape: Shape, encoder: Encoder, intents: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.intent_head = nn.Linear(shape.width, intents)
        # The lengths of what is read and of the whole: a mean over tokens loses them, and difficulty depends on both.
        self.difficulty_hidden = nn.Linear(shape.width + 2, 128)
        self.difficulty_head = nn.Linear(128, 1)
        # A straight way as well, since among prompts of one kind length says more than their words do.
        self.difficulty_length = nn.Linear(2, 1, bias=False)
        self.cuts = nn.Parameter(torch.linspace(-2.0, 2.0, len(Tier) - 1))
        # The last layer has forgotten all of a prompt but its intent and difficulty. The middle one has not, and this
        # is fitted after training to give back what the pretrained model makes of a sentence.
        self.similarity = nn.Linear(shape.width, shape.width)
        nn.init.eye_(self.similarity.weight)
        nn.init.zeros_(self.similarity.bias)
        # Fitted after training on prompts from unseen authors, then part of the exported graph.
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None, characters: Tensor) -> Outputs:
        states, middle = self.encoder(input_ids, attention_mask)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mask = mask.unsqueeze(-1).to(states.dtype)
        count = mask.sum(dim=1)
        mean = (states * mask).sum(dim=1) / count
        pooled = self.dropout(mean)
        log_characters = torch.log2(characters.unsqueeze(1).to(states.dtype))
        lengths = torch.cat([torch.log2(count) / _LOG_TOKENS, log_characters / _LOG_CHARACTERS], dim=1)
        hidden = torch.tanh(self.difficulty_hidden(torch.cat([pooled, lengths], dim=1)))
        hardness = (self.difficulty_head(hidden) + self.difficulty_length(lengths)).float()
        tier_logits = hardness - self.cuts
        return Outputs(
            self.intent_head(pooled) / self.temperature,
            torch.logit(torch.sigmoid(tier_logits).mean(dim=1), eps=1e-6),
            functional.normalize(self.similarity((middle * mask).sum(dim=1) / count)),
            tier_logits,
        )
