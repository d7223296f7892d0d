"""Evolution of proxies with DEAP; start reading in ``eznas.gp.loop``."""

from eznas.gp.run import run_evolution

__all__ = ["run_evolution"]
