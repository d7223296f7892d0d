"""``python verify_scores.py``: the same as ``eznas verify``, with the options of EZNAS's script of this name."""

from eznas.cli.verify import main

if __name__ == "__main__":
    main(prog_name="python verify_scores.py")
