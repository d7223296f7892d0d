"""Reports on a run: pictures made from a run directory alone."""

from eznas.report.plots import render

__all__ = ["render"]
