"""The rows of tables that others published, obtained again: one TOML file a row in ``rows/``.

    python experiments/rows.py nasbench201_cifar100 --data TABLES --images CIFAR100
    python experiments/rows.py --all --data TABLES
    python experiments/rows.py --markdown

A row takes the table of its benchmark from the folders that ``python -m eznas.benchmarks info`` names, then embedded
accuracies; images that are given, then its own data set's in these folders, then scikit-learn's digits. It says what it
fell back to, and is skipped where there are no accuracies at all. ``--record`` writes what was obtained into its file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import tomli_w

from eznas.cli.console import Command, Progress, interval, print_table
from eznas.config import read_toml
from eznas.errors import InputError, unknown

if TYPE_CHECKING:
    from eznas.benchmarks import AccuracyTable
    from eznas.scoring import Verification

ROWS = Path(__file__).parent / "rows"
_FIGURES = ("tau", "rho")
_DIGITS = 3


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        name: The file's name.
        title: Of the row, for people.
        benchmark: A name in ``python -m eznas.benchmarks list``.
        dataset: Of the accuracies.
        proxies: What is computed.
        table: The table's file name, where it is not ``BENCHMARK_DATASET.csv``.
        target: The column that is the accuracy.
        pictures: The images' name in the folder of tables.
        n_samples: Networks.
        batch_size: Images.
        seed: Of both, and of the initialisations.
        fidelity: The networks' size; empty for the one that the benchmark trained.
        most_params: Architectures with more parameters, by the table's count, are left out; 0 for none.
        note: What to know before comparing.
        published: Figures as published: ``proxy``, ``source``, and ``tau`` or ``rho``.
        obtained: Figures as recorded here.
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
    """Return a row's accuracies and what they were fallen back to; no accuracies and why, where there are none."""
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
    missing = f"{file} is not here (looked in: {looked_in(data)})"
    if not row.table and row.dataset in info.embedded:
        # the zoo's own accuracies come with its package; those of NAS-Bench-201 are of another training
        remark = "" if info.name == "pytorchcv" else f"embedded accuracies of another training, since {missing}"
        return load_table(row.benchmark, row.dataset), remark
    files = " or ".join(one.name for one in info.files)
    how = f"; {info.home} offers {files} for python -m eznas.benchmarks convert {info.name}" if info.convert else ""
    return None, f"{missing}{'' if row.table else how}"


def small_enough(table: AccuracyTable, most_params: int) -> AccuracyTable:
    """Return the rows of a table that have at most so many parameters, which its target then says; 0 for all."""
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


def find_images(row: Row, data: Path | None, given: str) -> tuple[str, str]:
    """Return a row's images and what they were fallen back to."""
    from eznas.benchmarks.places import places

    if given:
        return given, ""
    for place in places(data):
        if row.pictures and (place.folder / row.pictures).exists():
            return str(place.folder / row.pictures), ""
    return "digits", f"digits, since --images is not given and {row.pictures or 'its own'} is in no such folder"


def obtained(verified: Verification) -> list[dict[str, Any]]:
    """Return what a row's file keeps of a verification."""
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
    """Return one line a figure: source, proxy, published tau and rho, then those obtained, interval, n and failed."""
    lines: list[list[object]] = []
    by_proxy = {one["proxy"]: one for one in found}
    for published in row.published:
        one = by_proxy.get(published["proxy"])
        lines.append([published["proxy"], *map(published.get, _FIGURES), published["source"], *_cells(one)])
    known = {published["proxy"] for published in row.published}
    lines += [[one["proxy"], None, None, "", *_cells(one)] for one in found if one["proxy"] not in known]
    return lines


def _cells(one: dict[str, Any] | None) -> list[object]:
    if one is None:
        return [None, "", None, None, None]
    return [one["tau"], interval(one["tau_low"], one["tau_high"]), one["rho"], one["n"], one["failed"]]


def markdown(rows: dict[str, Row]) -> str:
    """Return the table of all rows for README.md: the first proxy's published figures, and all that were obtained."""
    lines = [
        "| row | proxy | published tau, rho | of | obtained tau (95 %) | rho | n |",
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
    """Write what was obtained into the row's file."""
    path = ROWS / f"{row.name}.toml"
    path.write_text(tomli_w.dumps({**read_toml(path), "obtained": found}), encoding="utf-8")


@click.command(cls=Command, context_settings={"show_default": True})
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All rows.")
@click.option("--data", metavar="DIR", type=Path, help="Folder of tables and images to look in first.")
@click.option("--images", metavar="digits|noise|PATH", default="", help="Images.  [default: the row's own, or digits]")
@click.option("--n_samples", metavar="N", type=click.IntRange(min=2), help="Networks.  [default: the row's]")
@click.option("--workers", metavar="N", type=click.IntRange(min=0), default=0, help="Processes; 0 for one a core.")
@click.option("--csv", "folder", metavar="DIR", type=Path, help="Folder for scores; what is there is gone on with.")
@click.option("--record", "recorded", is_flag=True, help="Write what was obtained into the rows' files.")
@click.option("--markdown", "listed", is_flag=True, help="Print all recorded figures as a table, and compute nothing.")
def main(
    names: tuple[str, ...],
    data: Path | None,
    images: str,
    n_samples: int | None,
    workers: int,
    folder: Path | None,
    *,
    everything: bool,
    recorded: bool,
    listed: bool,
) -> None:
    """Obtain rows of published tables again, and print them beside what was published."""
    rows = read_rows()
    if listed:
        click.echo(markdown(rows))
        return
    if bool(names) == everything:
        raise InputError(f"give --all, or one or more rows of {', '.join(rows)}")
    for name in names:
        if name not in rows:
            raise unknown("row", name, rows)
    if data is not None and not data.is_dir():
        raise InputError(f"--data must be a folder that exists, got {data}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for row in rows.values() if everything else map(rows.__getitem__, names):
        found = obtain(row, data, images, n_samples, workers, folder)
        if recorded and found:
            record(row, found)


def obtain(
    row: Row, data: Path | None, images: str, n_samples: int | None, workers: int, folder: Path | None
) -> list[dict[str, Any]]:
    """Compute a row and print it; return nothing where it is skipped."""
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
    with Progress() as progress, open_executor(workers) as executor:
        verified = verify(
            [resolve(text) for text in row.proxies],
            problem,
            n_samples=min(n_samples or row.n_samples, len(table)),
            csv_file=folder and folder / f"{row.name}.csv",
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
