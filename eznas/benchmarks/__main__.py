"""``python -m eznas.benchmarks``: the same as ``eznas benchmarks``."""

from __future__ import annotations

from eznas.cli.benchmarks import main

if __name__ == "__main__":
    main(prog_name="python -m eznas.benchmarks")
