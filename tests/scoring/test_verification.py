from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eznas.benchmarks import load_table
from eznas.benchmarks.table import AccuracyTable, Target
from eznas.errors import InputError
from eznas.run import NUMERICS
from eznas.scoring import Problem, Proxy, ScoreCsv, verify
from eznas.scoring.appended_csv import AppendedCsv
from eznas.scoring.combination import COMBINATIONS, Combination
from eznas.scoring.executor import LokyExecutor, SerialExecutor
from eznas.scoring.proxy_sources import resolve
from eznas.scoring.verification import draw
from eznas.spaces import SPACES
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.scoring import Condition, ScoreMatrix, Verification

ALL = tuple((SPACES["nasbench_macro"].architectures() or ())[::300])


@pytest.fixture
def table() -> AccuracyTable:
    accuracies = np.linspace(80, 90, len(ALL))
    return AccuracyTable(
        "nasbench_macro", "nasbench_macro", Target("cifar10", "test", 50, ""), ALL, accuracies, "t", "d"
    )


def run(proxies: Sequence[Proxy | Combination], table: AccuracyTable, **options: object) -> Verification:
    space = SPACES[table.space]
    fidelity = str(options.pop("fidelity", "reduced_narrow"))
    problem = Problem.of(space, table, images="digits", batch_size=2, seed=1, device="cpu", fidelity=fidelity)
    return verify(proxies, problem, **{"samples": 5, **options})  # type: ignore[arg-type]


def test_a_combination_scores_what_it_is_made_of(table: AccuracyTable, tmp_path: Path) -> None:
    text = "rank(-params, 2*l2_norm)"
    found = run([resolve(text), resolve("params")], table, csv=tmp_path / "s.csv")
    combined, params = found.columns
    header, *rows = (tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()
    assert header == "architecture,accuracy,params,l2_norm,status"
    values = np.array([[float(cell) for cell in row.split(",")[2:4]] for row in rows]).T
    assert combined.values().tolist() == Combination("", "rank", ("", ""), (-1, 1), (1, 2)).scores(values).tolist()
    assert params.values().tolist() == values[0].tolist()
    record, plain = found.records("command")
    assert (record["proxy"], record["program"], record["combination"]) == (text, "", text)
    assert (plain["combination"], plain["n_networks"], plain["n_failed"]) == ("", 5, 0)


def test_a_combination_fails_where_a_part_fails(table: AccuracyTable, monkeypatch: pytest.MonkeyPatch) -> None:
    from eznas.scoring import verification

    def scored(proxies: list[Proxy], condition: Condition, missing: list[str], *_: object, **__: object) -> ScoreMatrix:
        from eznas.scoring import ScoreMatrix

        rows = [[Score(float(index)) for index in range(len(missing))] for _ in proxies]
        rows[1][2] = Score.failed(Status.NON_FINITE, "why")
        return ScoreMatrix(tuple(proxies), tuple(missing), tuple(map(tuple, rows)), (0.1,) * len(missing))

    monkeypatch.setattr(verification, "score_networks", scored)
    [column] = run([COMBINATIONS["vote"]], table).columns
    assert column.statuses() == {"ok": 4, "non_finite": 1}
    assert (column.scores[2].detail, column.failed, column.correlation.n) == ("why", 1, 4)
    assert column.correlation.tau == 1


def test_a_killed_command_resumes_with_its_network_in_another_process(
    table: AccuracyTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eznas.scoring import verification

    csv = tmp_path / "s.csv"
    original, killer = verification.score_networks, list[str]()

    def scored(proxies: list[Proxy], condition: Condition, missing: list[str], *args: Any, **more: Any) -> ScoreMatrix:
        """End at the third network without any clean-up, and lose that network when it runs by itself."""
        if killer:
            assert isinstance(args[0], LokyExecutor) == (missing == killer)
            if missing == killer:
                matrix = original(proxies, condition, missing)
                lost = Score.failed(Status.EXCEPTION, f"the process that ran {missing[0]} ended 2 times")
                args[2](missing[0], [lost])
                return replace(matrix, scores=((lost,),))
            return original(proxies, condition, missing, *args, **more)
        original(proxies, condition, missing[:2], *args, **more)
        more["begin"](missing[2])
        killer.append(missing[2])
        raise _KilledError

    monkeypatch.setattr(verification, "score_networks", scored)
    with monkeypatch.context() as patched:
        patched.setattr(AppendedCsv, "unmark", lambda _: None)  # as in a process that is killed
        with pytest.raises(_KilledError):
            run([Proxy.of("params")], table, csv=csv)
    assert (tmp_path / "s.csv.running").read_text(encoding="utf-8") == killer[0]
    [column] = run([Proxy.of("params")], table, csv=csv, resume=True).columns
    assert column.statuses() == {"ok": 4, "exception": 1}
    assert not (tmp_path / "s.csv.running").exists()
    assert f"{killer[0]}," in csv.read_text(encoding="utf-8")


class _KilledError(BaseException):
    pass


def test_a_resume_with_more_memory_scores_the_networks_that_were_refused(
    table: AccuracyTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies, csv, add, added = [Proxy.of("params"), Proxy.of("fisher")], tmp_path / "s.csv", ScoreCsv.add, list[str]()
    expected = run(proxies, table, csv=tmp_path / "whole.csv").columns
    [_, fisher] = run(proxies, table, csv=csv, executor=SerialExecutor(1_200_000)).columns
    assert fisher.statuses() == {"ok": 1, "memory_limit": 4}

    def add_one(file: ScoreCsv, architecture: str, *args: Any) -> None:
        if added:
            raise _KilledError
        added.append(architecture)
        add(file, architecture, *args)

    with monkeypatch.context() as patched:
        patched.setattr(ScoreCsv, "add", add_one)
        with pytest.raises(_KilledError):
            run(proxies, table, csv=csv, resume=True)
    rows = [line.split(",")[0] for line in csv.read_text(encoding="utf-8").splitlines()[1:]]
    assert len(rows) == 6  # the interrupt loses no row; of two of one network, the last is read
    assert len(set(rows)) == 5
    resumed = run(proxies, table, csv=csv, resume=True)
    assert len(resumed.seconds) == 3
    assert resumed.columns == expected
    assert csv.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_resume_with_less_memory_keeps_the_values_of_networks_that_were_refused(
    table: AccuracyTable, tmp_path: Path
) -> None:
    proxies, csv = [resolve("sum(l1(conv_out.data))"), Proxy.of("fisher")], tmp_path / "s.csv"
    run(proxies, table, csv=csv, executor=SerialExecutor(1_200_000))
    before = csv.read_bytes()
    statuses = [column.statuses() for column in run(proxies, table, executor=SerialExecutor(50_000)).columns]
    assert statuses == [{"memory_limit": 5}, {"memory_limit": 5}]
    resumed = run(proxies, table, csv=csv, resume=True, executor=SerialExecutor(50_000))
    assert [column.statuses() for column in resumed.columns] == [{"ok": 5}, {"ok": 1, "memory_limit": 4}]
    assert csv.read_bytes() == before


def test_scores_of_another_version_of_the_numerics_are_not_resumed(
    table: AccuracyTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = tmp_path / "s.csv"
    run([Proxy.of("params")], table, csv=csv)
    monkeypatch.setattr("eznas.scoring.verification.NUMERICS", NUMERICS + 1)
    with pytest.raises(InputError, match="numerics"):
        run([Proxy.of("params")], table, csv=csv, resume=True)


def test_sizes_are_the_spaces(table: AccuracyTable) -> None:
    assert str(run([Proxy.of("params")], table).condition).startswith("reduced_narrow, seed 1, 2 images of digits")
    with pytest.raises(InputError, match="unknown fidelity of nasbench_macro 'ful'; did you mean 'full'"):
        run([Proxy.of("params")], table, fidelity="ful")


def test_two_proxies_of_one_name_are_refused(table: AccuracyTable) -> None:
    with pytest.raises(InputError, match="two different proxies are called 'mine'"):
        run([Proxy.of("params", "mine"), Proxy.of("flops", "mine")], table)


def test_a_draw_is_in_the_tables_order_and_by_the_seed(table: AccuracyTable) -> None:
    drawn = draw(table, 5, 1)
    assert drawn == sorted(drawn, key=ALL.index) == draw(table, 5, 1) != draw(table, 5, 2)
    assert draw(table, 0, 1) == draw(table, None, 1) == list(ALL)
    with pytest.raises(InputError, match=r"^samples must be at most"):
        draw(table, len(ALL) + 1, 1)


def test_architectures_that_a_run_used_are_not_drawn() -> None:
    table = load_table()
    used = table.architectures[:15_600]
    drawn = draw(table, 0, 0, used)
    canonical = SPACES[table.space].canonical
    functions = set(map(canonical, used))
    assert 0 < len(drawn) <= 25
    assert not functions.intersection(map(canonical, drawn))
    assert draw(table, 20, 3) == draw(table, 20, 3, ())
    with pytest.raises(InputError, match=r"at most \d+, the architectures of the table that the run did not use"):
        draw(table, 26, 0, used)
