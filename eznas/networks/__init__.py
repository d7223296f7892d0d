"""Network builders, one family a file, and the initialisation of networks. They know nothing of accuracies."""

from __future__ import annotations

from eznas.networks.initialise import construct, initialise

__all__ = ["construct", "initialise"]
