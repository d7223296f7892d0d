"""Search NAS-Bench-201 with an evolved proxy, with synflow and with NASWOT, all for the same seconds of scoring.

    python verify_scores.py --proxy evolved_nb201 --proxy synflow --proxy naswot --n_samples 600 --csv POOL.csv
    python experiments/search_evolved.py POOL.csv RUNS

The first command scores a pool of architectures; the second times each proxy on some of them, one after the other in
one process, then searches the pool: 30 runs a proxy, each of which looks at architectures in an order of its own until
its seconds are spent and takes the one that the proxy likes best. Written are a run directory a search,
``search_evolved.csv``, and the picture ``search_evolved.png``: accuracy of the best so far against seconds of scoring.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from search_naswot import RUNS, run, write_rows

from eznas.minibatch import load_minibatch
from eznas.report.search import COLUMNS, curves_figure, search_rows
from eznas.report.style import png
from eznas.scoring import Condition, Proxy, score_networks
from eznas.search import Options
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

PROXIES = ("evolved_nb201", "synflow", "naswot")
TIMED = 40
"""Architectures that a proxy is timed on."""

SECONDS = 600.0
"""What a run may spend on scoring."""


def seconds_of(proxy: str, architectures: Sequence[str]) -> float:
    """Return the mean seconds of building a network at full size and scoring it, the first, a warm-up, left out."""
    full = SPACES["nasbench201"].fidelities["full"]
    condition = Condition.of("nasbench201", full, 1, load_minibatch("digits", 16, pixels=full.pixels, seed=1), "cpu")
    seconds = score_networks([Proxy.of(proxy)], condition, architectures[: TIMED + 1], 1).seconds[1:]
    return sum(seconds) / len(seconds)


def main(pool: Path, folder: Path) -> None:
    """Time, search, and write what was found."""
    with pool.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    architectures = [row["architecture"] for row in rows]
    cost = {proxy: seconds_of(proxy, architectures) for proxy in PROXIES}
    folder.mkdir(parents=True, exist_ok=True)
    scores, table = folder / "scores.csv", folder / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(
            [("architecture", "accuracy"), *((row["architecture"], row["accuracy"]) for row in rows)]
        )
    with scores.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["architecture", *PROXIES, *(f"{proxy}_seconds" for proxy in PROXIES)])
        writer.writerows(
            [row["architecture"], *(row[proxy] for proxy in PROXIES), *(cost[proxy] for proxy in PROXIES)]
            for row in rows
        )
    searches = [
        run(
            Options(
                algorithm="random",
                signal=(proxy,),
                scores=(str(scores),),
                table=str(table),
                queries=None,
                seconds=min(SECONDS, cost[proxy] * len(rows)),
                runs=RUNS,
            ),
            folder / proxy,
        )
        for proxy in PROXIES
    ]
    write_rows(
        folder / "search_evolved.csv",
        [*COLUMNS, "seconds a score"],
        [[*row, cost[proxy]] for row, proxy in zip(search_rows(searches), PROXIES, strict=True)],
    )
    (folder / "search_evolved.png").write_bytes(png(curves_figure(searches, seconds=True)))


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_file():  # noqa: PLR2004 - two arguments
        sys.exit(f"usage: {sys.argv[0]} POOL.csv FOLDER; the first must exist")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
