"""Random tokens, for networks of text."""

from __future__ import annotations

import torch

from eznas.errors import InputError
from eznas.minibatch.types import Minibatch
from eznas.seeds import torch_generator

_CLASSES = 2


def random_tokens(batch_size: int, length: int, vocabulary: int, *, seed: int = 0) -> Minibatch:
    """Return sequences of random tokens, ``b x n`` integers from 1 to ``vocabulary - 1``, and two classes in turn.

    A smaller minibatch is the beginning of a larger one with the same seed.

    Args:
        batch_size: Number ``b`` of sequences.
        length: Number ``n`` of tokens of a sequence.
        vocabulary: Number of different tokens; token 0 fills sequences up and is not drawn.
        seed: Seed of the tokens, and of the minibatch's noise.

    Raises:
        InputError: A number is too small.
    """
    for name, value, least in (("batch_size", batch_size, 1), ("length", length, 1), ("vocabulary", vocabulary, 2)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}", parameters=(name,))
    tokens = torch.randint(1, vocabulary, (batch_size, length), generator=torch_generator(seed, "minibatch", "tokens"))
    return Minibatch(tokens, torch.arange(batch_size) % _CLASSES, _CLASSES, "noise", seed=seed)
