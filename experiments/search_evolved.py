"""Search NAS-Bench-201 with an evolved proxy, with synflow and with NASWOT, all for the same seconds of scoring.

    python verify_scores.py --proxy evolved_nb201 --n_samples 600 --csv POOL.csv
    python experiments/search_evolved.py POOL.csv FOLDER_OF_COLUMN_FILES RUNS

The first command scores a pool of random architectures with the evolved proxy, more of them than a run can look at. The
folder holds ``naswot_cifar10.json.gz``, the NASWOT project's scores of all architectures by the other two, on 128
images, and ``nasbench201.json.gz``, whose test accuracies are reported. The second command times each proxy on some of
the pool, on 16 images, one after the other in one process, then searches: 30 runs a proxy, each of which looks at
architectures in an order of its own until its seconds are spent and takes the one that the proxy likes best. Written
are a run directory a search, ``search_evolved.csv``, and the picture ``search_evolved.png``: accuracy of the best so
far against seconds of scoring.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from search_naswot import RUNS, run, write_rows, write_scores
from tables import write_tables

from eznas.minibatch import load_minibatch
from eznas.report.search import COLUMNS, curves_figure, search_rows
from eznas.report.style import png
from eznas.scoring import Condition, Proxy, score_networks
from eznas.search import SearchConfig
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

EVOLVED = "evolved_nb201"
PROXIES = {EVOLVED: f"{EVOLVED}.csv", "synflow": "synflow.csv", "naswot": "hook_logdet.csv"}
"""And the files of their scores."""

TIMED = 40
"""Architectures that a proxy is timed on."""

SECONDS = 600.0
"""What a run may spend on scoring."""


def seconds_of(proxy: str, architectures: Sequence[str]) -> float:
    """Return the mean seconds of building a network at full size and scoring it, the first, a warm-up, left out."""
    full = SPACES["nasbench201"].fidelities["full"]
    condition = Condition.of("nasbench201", full, 1, load_minibatch("digits", 16, pixels=full.pixels, seed=1), "cpu")
    seconds = score_networks([Proxy.of(proxy)], condition, architectures[: TIMED + 1]).seconds[1:]
    return sum(seconds) / len(seconds)


def main(pool: Path, source: Path, folder: Path) -> None:
    """Time, search, and write what was found."""
    with pool.open(encoding="utf-8", newline="") as file:
        evolved = {row["architecture"]: row[EVOLVED] for row in csv.DictReader(file)}
    write_scores(source / "naswot_cifar10.json.gz", folder)
    write_tables(folder, [source / "nasbench201.json.gz"])
    with (folder / f"{EVOLVED}.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("architecture", EVOLVED), *evolved.items()])
    cost = {proxy: seconds_of(proxy, list(evolved)) for proxy in PROXIES}
    searches = [
        run(
            SearchConfig(
                algorithm="random",
                signal=(proxy,),
                scores=(f"{proxy}={timed(folder / file, proxy, cost[proxy])}",),
                table=str(folder / "nasbench201_cifar10.csv"),
                target="test_200",
                queries=None,
                seconds=SECONDS,
                runs=RUNS,
            ),
            folder / proxy,
        )
        for proxy, file in PROXIES.items()
    ]
    write_rows(
        folder / "search_evolved.csv",
        [*COLUMNS, "seconds a score"],
        [[*row, cost[proxy]] for row, proxy in zip(search_rows(searches), PROXIES, strict=True)],
    )
    (folder / "search_evolved.png").write_bytes(png(curves_figure(searches, seconds=True)))


def timed(scores: Path, proxy: str, seconds: float) -> Path:
    """Write scores with what each of them costs beside the file; return the new one."""
    architectures = SPACES["nasbench201"].architectures() or ()
    with scores.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    path = scores.with_name(f"{proxy}_timed.csv")
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["architecture", proxy, f"{proxy}_seconds"])
        for row in rows:
            architecture = row["architecture"] if "architecture" in row else architectures[int(row["uid"])]
            writer.writerow([architecture, row[proxy if "architecture" in row else "score"], seconds])
    return path


if __name__ == "__main__":
    if len(sys.argv) != 4 or not all(Path(path).exists() for path in sys.argv[1:3]):  # noqa: PLR2004 - three arguments
        sys.exit(f"usage: {sys.argv[0]} POOL.csv FOLDER_OF_COLUMN_FILES FOLDER_OF_RUNS; the first two must exist")
    main(*map(Path, sys.argv[1:]))
