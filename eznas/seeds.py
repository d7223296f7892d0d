"""Named random streams: each has a seed derived from one number and a name."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed from a seed and the name of a purpose.

    The same arguments give the same seed on every platform; different names give independent streams.
    """
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def python_rng(seed: int, *names: str | int) -> random.Random:
    """Return a ``random.Random`` on a named stream."""
    return random.Random(derive_seed(seed, *names))


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    """Return a numpy generator on a named stream."""
    import numpy as np

    return np.random.default_rng(derive_seed(seed, *names))


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU torch generator on a named stream; the global state stays unchanged."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, *names))
