"""Reproduce rows of published tables; ``python experiments/rows.py --help`` explains. ``rows/`` has one file a row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import tomli_w

from eznas.cli import options
from eznas.cli.console import Command, print_table
from eznas.config import read_toml
from eznas.errors import InputError, unknown
from eznas.report.display import Display
from eznas.report.html import interval

if TYPE_CHECKING:
    from eznas.benchmarks import AccuracyTable
    from eznas.scoring import Verification

ROWS = Path(__file__).parent / "rows"
NOISE = "noise"
_FIGURES = ("tau", "rho")
_EPILOG = """\b
Examples:
  python experiments/rows.py nasbench201_cifar100 --data TABLES --images CIFAR100
  python experiments/rows.py --all --data TABLES
  python experiments/rows.py --markdown
"""
_DIGITS = 3


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        name: Name of the file.
        title: Title for people.
        benchmark: A name in ``eznas benchmarks list``.
        dataset: Data set of the accuracies.
        proxies: The proxies to verify.
        table: File name of the table, if it is not ``BENCHMARK_DATASET.csv``.
        target: Column of the accuracies; empty for the table's usual one.
        pictures: Name of the images in the folder of tables; ``noise`` for networks that take random tokens.
        n_samples: Number of networks.
        batch_size: Number of images.
        seed: Seed of the networks, the images and the initialisations.
        fidelity: Size of the networks; empty for the one that the benchmark trained.
        most_params: Architectures with more parameters, by the table, are omitted; 0 for no limit.
        note: A caveat for the comparison.
        published: Published figures: ``proxy``, ``source``, and ``tau`` or ``rho``.
        obtained: Recorded figures.
    """

    name: str
    title: str
    benchmark: str
    dataset: str
    proxies: list[str]
    table: str = ""
    target: str = ""
    pictures: str = ""
    n_samples: int = 300
    batch_size: int = 16
    seed: int = 1
    fidelity: str = ""
    most_params: int = 0
    note: str = ""
    published: list[dict[str, Any]] = field(default_factory=list)
    obtained: list[dict[str, Any]] = field(default_factory=list)


def read_rows() -> dict[str, Row]:
    """Read all rows, by name."""
    found = {}
    for path in sorted(ROWS.glob("*.toml")):
        read = read_toml(path)
        for key in read:
            if key == "name" or key not in Row.__dataclass_fields__:
                raise InputError(f"{path}: {unknown('key', key, Row.__dataclass_fields__)}")
        found[path.stem] = Row(path.stem, **read)
    return found


def find_accuracies(row: Row, data: Path | None) -> tuple[AccuracyTable | None, str]:
    """Return a row's accuracies and a remark on a fallback; without accuracies, None and the reason."""
    from eznas.benchmarks import BENCHMARKS, load_table
    from eznas.benchmarks.places import find_table, looked_in, places

    info = BENCHMARKS[row.benchmark]
    file = row.table or f"{row.benchmark}_{row.dataset}.csv"
    own = (place.folder / row.table for place in places(data) if row.table)
    path = next(filter(Path.is_file, own), None) if row.table else find_table(row.benchmark, row.dataset, data)
    if path is not None:
        table = load_table(row.benchmark, row.dataset, path)
        if not row.target:
            return table, ""
        if row.target in table.columns:
            return load_table(row.benchmark, row.dataset, path, row.target), ""
        return table, f"the table's own accuracy, since it has no column {row.target}"
    missing = f"{file} was not found (searched in: {looked_in(data)})"
    if not row.table and row.dataset in info.embedded:
        # the zoo's package has its own accuracies; NAS-Bench-201's embedded ones are of another training
        remark = "" if info.name == "pytorchcv" else f"embedded accuracies of another training, since {missing}"
        return load_table(row.benchmark, row.dataset), remark
    files = " or ".join(file.name for file in info.files)
    how = f"; {info.home} offers {files} for eznas benchmarks convert {info.name}" if info.convert else ""
    return None, f"{missing}{'' if row.table else how}"


def small_enough(table: AccuracyTable, most_params: int) -> AccuracyTable:
    """Return the rows of a table with at most so many parameters, with a note in its target; 0 for all."""
    if not most_params:
        return table
    kept = np.flatnonzero(table.columns["params"] <= most_params)
    target = table.target
    return replace(
        table,
        target=replace(target, training_seeds=f"{target.training_seeds}; at most {most_params} parameters"),
        architectures=tuple(table.architectures[place] for place in kept),
        accuracies=table.accuracies[kept],
        columns={name: column[kept] for name, column in table.columns.items()},
    )


def find_images(row: Row, data: Path | None, given: str | None) -> tuple[str, str]:
    """Return a row's images and a remark on a fallback."""
    from eznas.benchmarks.places import places

    if row.pictures == NOISE:
        return NOISE, ""
    if given:
        return given, ""
    for place in places(data):
        if row.pictures and (place.folder / row.pictures).exists():
            return str(place.folder / row.pictures), ""
    return ("digits", f"digits, since --images is not given and no searched folder has {row.pictures or 'its own'}")


def obtained(verified: Verification) -> list[dict[str, Any]]:
    """Return the figures of a verification that a row's file records."""
    name = Path(verified.condition.minibatch.source).name
    return [
        {
            "proxy": column.proxy.name,
            **{
                figure: round(getattr(column.correlation, figure), _DIGITS)
                for figure in ("tau", "tau_low", "tau_high", "rho")
            },
            "n": column.correlation.n,
            "failed": column.failed,
            "images": f"{len(verified.condition.minibatch.labels)} of {name}",
            "target": str(verified.table.target),
        }
        for column in verified.columns
    ]


def beside(row: Row, found: list[dict[str, Any]]) -> list[list[object]]:
    """Return lines of proxy, published tau, rho and source, and obtained tau, interval, rho, n and failures."""
    lines: list[list[object]] = []
    by_proxy = {figures["proxy"]: figures for figures in found}
    for published in row.published:
        figures = _cells(by_proxy.get(published["proxy"]))
        lines.append([published["proxy"], *map(published.get, _FIGURES), published["source"], *figures])
    compared = {published["proxy"] for published in row.published}
    lines += [[name, None, None, "", *_cells(figures)] for name, figures in by_proxy.items() if name not in compared]
    return lines


def _cells(figures: dict[str, Any] | None) -> list[object]:
    if figures is None:
        return [None, "", None, None, None]
    between = interval(figures["tau_low"], figures["tau_high"])
    return [figures["tau"], between, figures["rho"], figures["n"], figures["failed"]]


def markdown(rows: dict[str, Row]) -> str:
    """Return the table of all rows for README.md: obtained figures, and the first proxy's published ones."""
    lines = [
        "| row | proxy | published tau, rho | published by, for | obtained tau (95 %) | obtained rho | n |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows.values():
        for proxy, tau, rho, source, *cells in beside(row, row.obtained):
            if cells[0] is None and proxy != row.proxies[0]:
                continue
            published = (
                ", ".join(f"{figure:g}" if figure is not None else "-" for figure in (tau, rho)) if source else ""
            )
            found = f"{cells[0]:.3f} ({cells[1]})" if cells[0] is not None else "-"
            rank = f"{cells[2]:.3f}" if cells[2] is not None else "-"
            lines.append(f"| {row.name} | {proxy} | {published} | {source} | {found} | {rank} | {cells[3] or '-'} |")
    return "\n".join(lines)


def record(row: Row, found: list[dict[str, Any]]) -> None:
    """Write the obtained figures into the row's file."""
    path = ROWS / f"{row.name}.toml"
    path.write_text(tomli_w.dumps({**read_toml(path), "obtained": found}), encoding="utf-8")


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.argument("names", metavar="[ROW]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All rows.")
@options.data
@click.option("--images", metavar="digits|noise|PATH", help="Images.  [default: the row's own, or digits]")
@options.samples("Networks; 0 for all.  [default: the row's number]")
@options.workers
@click.option("--csv", "folder", metavar="DIR", type=Path, help="Folder for scores; scores found there are kept.")
@click.option("--record", "recorded", is_flag=True, help="Write the figures into the rows' files.")
@click.option("--markdown", "listed", is_flag=True, help="Print the recorded figures as a table, and compute nothing.")
def main(
    names: tuple[str, ...],
    data: Path | None,
    images: str | None,
    samples: int | None,
    workers: int,
    folder: Path | None,
    *,
    everything: bool,
    recorded: bool,
    listed: bool,
) -> None:
    """Reproduce rows of published tables, and print them beside the published figures.

    A row takes the table of its benchmark from the folders that eznas benchmarks info names, then embedded accuracies.
    It takes the images given, then those of its data set in the same folders, then scikit-learn's digits. Each
    fallback is printed. A row without accuracies is skipped.
    """
    rows = read_rows()
    if listed:
        click.echo(markdown(rows))
        return
    if bool(names) == everything:
        raise InputError(f"either --all or rows must be given; rows: {', '.join(rows)}")
    for name in names:
        if name not in rows:
            raise unknown("row", name, rows)
    if data is not None and not data.is_dir():
        raise InputError(f"--data must be a folder that exists, got {data}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for row in rows.values() if everything else map(rows.__getitem__, names):
        found = obtain(row, data, images, samples, workers, folder)
        if recorded and found:
            record(row, found)


def obtain(
    row: Row, data: Path | None, images: str | None, samples: int | None, workers: int, folder: Path | None
) -> list[dict[str, Any]]:
    """Compute a row, print it and return its figures; none if it is skipped."""
    from eznas.benchmarks.reference import trained_fidelity
    from eznas.scoring import Problem, open_executor, verify
    from eznas.scoring.proxy_sources import resolve
    from eznas.spaces import SPACES

    table, remark = find_accuracies(row, data)
    if table is None:
        click.echo(f"{row.title}: skipped: {remark}\n")
        return []
    table = small_enough(table, row.most_params)
    source, other = find_images(row, data, images)
    problem = Problem.of(
        SPACES[table.space],
        table,
        images=source,
        batch_size=row.batch_size,
        seed=row.seed,
        fidelity=row.fidelity or trained_fidelity(row.benchmark),
    )
    with Display() as progress, open_executor(workers) as executor:
        verified = verify(
            [resolve(text) for text in row.proxies],
            problem,
            samples=min(row.n_samples, len(table)) if samples is None else min(samples, len(table)),
            csv=folder and folder / f"{row.name}.csv",
            resume=folder is not None,
            executor=executor,
            progress=progress,
        )
    found = obtained(verified)
    print_table(
        f"{row.title}: {table.target}\n{len(verified.architectures)} networks, {verified.condition}",
        ["proxy", "published tau", "rho", "of", "obtained tau", "95 %", "rho", "scored", "failed"],
        beside(row, found),
    )
    for what in filter(None, (row.note, remark and f"fell back to {remark}", other and f"fell back to {other}")):
        click.echo(f"  {what}")
    click.echo()
    return found


if __name__ == "__main__":
    main(prog_name="python experiments/rows.py")
