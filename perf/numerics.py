"""Scores of this checkout beside those of another one: do two versions of the numerics agree?

Both checkouts score the same networks with the same measures and programs, in processes of their own. For each proxy,
the table shows Kendall's tau between the two scores, the greatest relative difference, and the networks on which only
one checkout has a score. A new version of the numerics (``eznas.run.NUMERICS``) should reach a tau of .995 for every
proxy; the command ends with status 1 where it does not, or where only one checkout has scores of a proxy.

    python perf/numerics.py --against CHECKOUT [--networks 1000] [--space nasbench201] [--json FILE]
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from checkouts import compared, in_checkout
from figures import write_figures

from eznas.cli.console import Command, print_table
from eznas.gp.grammar import random_program, random_reduction
from eznas.minibatch import load_minibatch
from eznas.scoring import Condition, Proxy, score_networks
from eznas.scoring.backends import local_executor
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_TAU = 0.995
_SPACES = ("nasbench201", "nats_sss", "nasbench101")
_MEASURES = ("grad_norm", "snip", "grasp", "fisher", "jacob_cov", "plain", "synflow", "naswot", "zen", "zico", "meco")


def scored(options: dict[str, Any]) -> list[list[float]]:
    """Return the scores of each proxy on each network, NaN where there is none.

    Args:
        options: The space, fidelity, architectures, proxies, number of images, seed and number of workers.
    """
    space = SPACES[options["space"]]
    minibatch = load_minibatch("digits", options["images"], seed=options["seed"])
    condition = Condition.of(space.name, space.fidelities[options["fidelity"]], options["seed"], minibatch)
    proxies = [Proxy.of(text) for text in options["proxies"]]
    matrix = score_networks(proxies, condition, options["architectures"], local_executor(options["workers"]))
    values: list[list[float]] = matrix.values().tolist()
    return values


def rows_of(proxies: Sequence[str], before: Sequence[Sequence[float]], now: Sequence[Sequence[float]]) -> list[Any]:
    """Return a row for each proxy: name, networks, tau, greatest relative difference, scores of one checkout alone."""
    rows: list[Any] = []
    for name, *both in zip(proxies, before, now, strict=True):
        old, new = np.array(both)
        rows.append([name, int((np.isfinite(old) & np.isfinite(new)).sum()), *compared(old, new)])
    return rows


@click.command(cls=Command)
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="The other checkout.")
@click.option("--space", "spaces", multiple=True, default=_SPACES, help="Search space; may be given several times.")
@click.option("--fidelity", default="", help="Size of the networks.  [default: the first reduced one]")
@click.option("--networks", default=1000, help="Networks of each space.")
@click.option("--measure", "measures", multiple=True, default=_MEASURES, help="Measure; may be given several times.")
@click.option("--programs", default=20, help="Random programs, beside the measures.")
@click.option("--images", default=16, help="Images; a size of networks may use fewer.")
@click.option("--workers", default=2, help="Processes.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--child", is_flag=True, hidden=True, help="Read options as JSON, and print the scores.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *,
    against: Path | None,
    spaces: tuple[str, ...],
    fidelity: str,
    networks: int,
    measures: tuple[str, ...],
    programs: int,
    images: int,
    workers: int,
    seed: int,
    child: bool,
    json_file: Path | None,
) -> None:
    """Compare the scores of this checkout with those of another one."""
    if child:
        click.echo(json.dumps(scored(json.load(sys.stdin))))
        return
    if against is None:
        raise click.UsageError("--against must name another checkout")
    rng = random.Random(seed)
    reductions = [random_reduction(rng, 2) for _ in range(programs)]
    proxies = [*measures, *(random_program(rng, 1, reductions).text for _ in range(programs))]
    found: dict[str, list[Any]] = {}
    for name in spaces:
        drawn, size = _sample(name, networks, rng), fidelity or SPACES[name].reduced[0]
        options: dict[str, Any] = {"space": name, "fidelity": size, "architectures": drawn, "proxies": proxies}
        options |= {"images": images, "seed": seed, "workers": workers}
        before, now = (in_checkout(__file__, path, options) for path in (against, Path(__file__).parents[1]))
        found[name] = rows_of(proxies, before, now)
        print_table(
            f"{len(drawn)} networks of {name}, {size}: scores of both checkouts",
            ["proxy", "networks", "tau", "greatest difference", "scored by one alone"],
            [[proxy[:60], n, round(tau, 5), f"{most:.1e}", alone] for proxy, n, tau, most, alone in found[name]],
        )
    rows = [(name, row) for name, of_space in found.items() for row in of_space if row[1] or row[4]]
    low = [(name, proxy, round(tau, 4)) for name, (proxy, _, tau, *_) in rows if not tau >= _LEAST_TAU]
    click.echo(f"{len(low)} of {len(rows)} taus are missing or below {_LEAST_TAU}" + "".join(f"\n{one}" for one in low))
    write_figures(json_file, found)
    sys.exit(bool(low))


def _sample(space: str, count: int, rng: random.Random) -> list[str]:
    """Return different architectures of a space."""
    drawn: dict[str, None] = {}
    for _ in range(20 * count):
        drawn[SPACES[space].sample(rng)] = None
        if len(drawn) == count:
            break
    return list(drawn)


if __name__ == "__main__":
    main()
