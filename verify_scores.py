"""How well zero-cost proxies order a benchmark's networks; ``python verify_scores.py --help`` explains."""

from eznas.cli.verify import main

if __name__ == "__main__":
    main(prog_name="python verify_scores.py")
