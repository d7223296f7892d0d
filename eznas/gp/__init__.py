"""Evolution of proxies with DEAP; start reading in ``eznas.gp.loop``."""

from eznas.gp.listener import Listener, Silent
from eznas.gp.run import run_evolution

__all__ = ["Listener", "Silent", "run_evolution"]
