"""Encodings of architectures for predictors, in one registry; names join with ``+``, as in ``graf+measures``."""
