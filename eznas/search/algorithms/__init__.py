"""Search algorithms, one per file; each registers itself in ``eznas.search.protocol.ALGORITHMS``."""
