"""A small GPT and a small BERT-like encoder, in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

TOKENS, LENGTH, CLASSES = 128, 32, 2  # characters of ASCII


class Layer(nn.Module):
    """Attention and a feed-forward block, each behind a normalisation and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map ``b x t x width`` to the same shape; without a mask, tokens attend to those before them."""
        q, k, v = self.qkv(self.norm_1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.out(heads.transpose(1, 2).flatten(2))
        out: Tensor = x + self.back(functional.gelu(self.hidden(self.norm_2(x))))
        return out


class Transformer(nn.Module):
    """Embeddings of tokens and places, and layers."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(TOKENS, width), nn.Embedding(LENGTH, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for table in (self.token, self.place):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``b x t`` tokens to ``b x t x width``."""
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device))
        for layer in self.layers:
            x = layer(x, mask)
        out: Tensor = self.norm(x)
        return out


class GPT(nn.Module):
    """Predicts the next token at each place; the head shares the weights of the embedding."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.body = Transformer(width, heads, depth)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``b x t`` tokens to ``b x t x tokens`` logits."""
        return functional.linear(self.body(tokens), self.body.token.weight)


class Encoder(nn.Module):
    """Classifies texts by their first token; the mask is 0 at places behind the end of a text."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.body, self.head = Transformer(width, heads, depth), nn.Linear(width, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Map ``b x t`` tokens and their mask to ``b x classes`` logits."""
        hidden = self.body(input_ids, attention_mask[:, None, None, :].bool())
        return {"hidden": hidden, "logits": self.head(hidden[:, 0])}


def gpt() -> nn.Module:
    """Return a GPT with a width of 32, four heads and two layers."""
    return GPT(32, 4, 2)


def bert() -> nn.Module:
    """Return an encoder of that size."""
    return Encoder(32, 4, 2)


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy with smoothed labels, a loss of one's own."""
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=0.1)


def build(architecture: str, classes: int) -> nn.Module:
    """Return the GPT of an architecture, such as ``32-2`` for a width of 32 and a depth of 2."""
    del classes  # the number of tokens is fixed
    width, depth = map(int, architecture.split("-"))
    return GPT(width, 2, depth)
