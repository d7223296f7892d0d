"""Search algorithms, one a file; each registers itself in ``eznas.search.protocol.ALGORITHMS``."""
