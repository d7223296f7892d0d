"""Weight sharing: a supernet of NAS-Bench-201 that is trained once and evaluates every architecture."""
