"""Siamese-NAS: its network, its training, and the search that chooses the architectures to train."""
