"""Owns the network: DistilBERT's encoder, a masked mean of its outputs, and two heads on that mean.

Module names are those of transformers' DistilBertModel, so weights go back and forth by name; written out here
because the exported graph stays plain (which is what quantises best) and the file reads in one go.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.labels import INTENTS


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of all-MiniLM-L6-v2."""

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

    def forward(self, x: Tensor, padding_bias: Tensor) -> Tensor:
        batch, length, width = x.shape

        def by_head(flat: Tensor) -> Tensor:
            return flat.view(batch, length, self.heads, self.head_width).transpose(1, 2)

        query, key, value = by_head(self.q_lin(x)), by_head(self.k_lin(x)), by_head(self.v_lin(x))
        scores = query @ key.transpose(2, 3) * self.head_width**-0.5 + padding_bias
        mixed = scores.softmax(dim=-1) @ value
        return self.out_lin(mixed.transpose(1, 2).reshape(batch, length, width))


class Feedforward(nn.Module):
    """The two linear layers between attentions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.lin1 = nn.Linear(shape.width, shape.inner_width)
        self.lin2 = nn.Linear(shape.inner_width, shape.width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.lin2(functional.gelu(self.lin1(x))))


class Layer(nn.Module):
    """One transformer layer, normalised after each sum."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.sa_layer_norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.ffn = Feedforward(shape)
        self.output_layer_norm = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, x: Tensor, padding_bias: Tensor) -> Tensor:
        x = self.sa_layer_norm(x + self.attention(x, padding_bias))
        return self.output_layer_norm(x + self.ffn(x))


class Encoder(nn.Module):
    """Token ids to one vector per token."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.transformer = nn.ModuleDict({"layer": nn.ModuleList(Layer(shape) for _ in range(shape.layers))})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        padding_bias = (1.0 - attention_mask[:, None, None, :].float()) * -10_000.0
        x = self.embeddings(input_ids)
        for layer in self.transformer["layer"]:
            x = layer(x, padding_bias)
        return x


class Classifier(nn.Module):
    """Intent logits (batch, 15), one difficulty logit (batch) and an embedding (batch, width) for each prompt.

    The embedding has length 1, so that a product of two is their cosine.
    """

    def __init__(self, shape: Shape, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.intent_head = nn.Linear(shape.width, len(INTENTS))
        # One more input for the length, which a mean over tokens loses and difficulty depends on.
        self.difficulty_hidden = nn.Linear(shape.width + 1, 128)
        self.difficulty_head = nn.Linear(128, 1)
        # Fitted after training on prompts from unseen authors, then part of the exported graph.
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states = self.encoder(input_ids, attention_mask)
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        count = mask.sum(dim=1)
        mean = (states * mask).sum(dim=1) / count
        pooled = self.dropout(mean)
        # 128 tokens, the longest text in use, become 1.
        length = torch.log2(count) / 7.0
        hidden = torch.tanh(self.difficulty_hidden(torch.cat([pooled, length], dim=1)))
        difficulty = self.difficulty_head(hidden).squeeze(-1)
        return self.intent_head(pooled) / self.temperature, difficulty, functional.normalize(mean)
