from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import rankdata

from eznas.benchmarks import BENCHMARKS, AccuracyTable, Target, load_table
from eznas.benchmarks.conversion import convert
from eznas.errors import InputError
from eznas.minibatch import load_minibatch
from eznas.scoring import SERIAL, Condition, Proxy
from eznas.scoring.score_csv import ScoreCsv
from eznas.search.combine import CombinedSignal
from eznas.search.score_files import read_scores
from eznas.search.signals import ComputedSignal, Observation, TabularSignal
from eznas.search.table_signals import levels_of, table_signals
from eznas.spaces import SPACES, Fidelity
from eznas.status import Score, Status
from eznas.testing.landscapes import Letters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPACE = Letters(places=2, letters=2)
FIRST = TabularSignal("first", {"a-a": 0.0, "a-b": 1.0, "b-a": 4.0, "b-b": math.nan}, {"a-a": 1.0, "a-b": 2.0})
SECOND = TabularSignal("second", {"a-a": 30.0, "a-b": 10.0, "b-a": 20.0, "b-b": 5.0})
ALL = SPACE.architectures()


def fitness(rule: str, weights: tuple[float, ...] = ()) -> list[float]:
    return [one.fitness for one in CombinedSignal([FIRST, SECOND], ALL, rule, weights).observe(["a-a", "a-b", "b-a"])]


def test_what_is_not_known_is_a_failure() -> None:
    missing, nothing = FIRST.observe(["c-c", "b-b"])
    assert (missing.score.status, nothing.score.status) == (Status.EXCEPTION, Status.NON_FINITE)
    assert missing.fitness == nothing.fitness == -math.inf


def test_min_max_is_a_convex_combination() -> None:
    assert fitness("min_max", (0.6, 0.4)) == pytest.approx([0.4, 0.15, 0.6 + 0.2])


def test_rank_is_the_mean_rank() -> None:
    values = np.array([[0.0, 1.0, 4.0], [30.0, 10.0, 20.0]])
    assert fitness("rank") == pytest.approx((rankdata(values, axis=1).mean(axis=0) - 0.5) / 3)


def test_vote_counts_what_the_majority_puts_below() -> None:
    third = TabularSignal("third", {"a-a": 3.0, "a-b": 1.0, "b-a": 2.0})
    votes = CombinedSignal([FIRST, SECOND, third], ["a-a", "a-b", "b-a"], "vote").observe(["a-a", "a-b", "b-a"])
    # a-a beats both others in two signals of three, a-b neither; itself is a tie, half a win
    assert [one.fitness for one in votes] == pytest.approx([2.5 / 3, 0.5 / 3, 1.5 / 3])


def test_a_combination_costs_what_its_parts_cost_and_fails_with_them() -> None:
    both = CombinedSignal([FIRST, SECOND], ALL, "rank")
    first, failed = both.observe(["a-b", "b-b"])
    assert first.seconds == 2.0
    assert failed.score.status is Status.NON_FINITE
    assert both.name == "rank(first, second)"


@pytest.mark.parametrize(
    ("rule", "weights", "message"),
    [
        ("rnk", (), "did you mean 'rank'"),
        ("rank", (1.0,), "weights must be one number per signal"),
        ("rank", (1.0, -1.0), "weights must be one number per signal"),
        ("rank", (0.0, 0.0), "weights must be one number per signal"),
    ],
)
def test_a_faulty_combination_is_refused(rule: str, weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CombinedSignal([FIRST, SECOND], ALL, rule, weights)


def test_a_reference_without_values_is_refused() -> None:
    with pytest.raises(InputError, match="must have a value on some reference architecture"):
        CombinedSignal([FIRST, SECOND], ["b-b"], "rank")


def test_networks_are_scored_once_and_remembered() -> None:
    space = SPACES["nasbench201"]
    condition = Condition.of(
        "nasbench201", Fidelity("tiny", cells=1, channels=2, pixels=8), 0, load_minibatch("digits", 2, pixels=8)
    )
    recorded: list[tuple[str, Observation]] = []
    live = ComputedSignal(Proxy.of("params"), condition, SERIAL)
    live.record = lambda *score: recorded.append(score)
    two = list(space.architectures() or ())[:2]
    found = live.observe([two[0], two[1], two[0]])
    assert found[0] == found[2] != found[1]
    assert found[0].seconds > 0
    assert [one[0] for one in recorded] == two
    assert live.observe(two) == found[:2]
    assert len(recorded) == 2


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_scores_by_index_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "synflow.csv", "uid,score,time\n2,0.5,0.25\n0,,0.5\n1,inf,0.5\n")
    found = read_scores(path, SPACE)
    assert list(found) == ["synflow"]
    good, nothing, infinite = found["synflow"].observe(["b-a", "a-a", "a-b"])
    assert (good.score.value, good.seconds) == (0.5, 0.25)
    assert nothing.score.status is infinite.score.status is Status.NON_FINITE
    assert list(read_scores(path, SPACE, "mine")) == ["mine"]


def test_scores_by_architecture_are_read(tmp_path: Path) -> None:
    text = "architecture,one,two,one_seconds,seconds\na-b,1,2,3,4\nb-a,5,6,7,8\n"
    found = read_scores(write(tmp_path / "scores.csv", text), SPACE)
    assert list(found) == ["one", "two"]
    assert [found[name].observe(["b-a"])[0].seconds for name in found] == [7, 8]
    assert not read_scores(write(tmp_path / "plain.csv", "architecture,one\na-b,1\n"), SPACE)["one"].timed


def test_what_verification_writes_is_read(tmp_path: Path) -> None:
    rows = ScoreCsv(tmp_path / "scores.csv", ["one", "two"], {})
    rows.begin(resume=False)
    rows.add("a-b", 91.5, [Score(0.5), Score.failed(Status.NO_UNITS)])
    found = read_scores(tmp_path / "scores.csv", SPACE)
    assert [found[name].observe(["a-b"])[0].score.ok for name in found] == [True, False]
    assert list(found) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a header that starts with architecture or uid, but it is empty"),
        ("name,score\n", "must have a header that starts with architecture or uid"),
        ("uid,time\n0,1\n", "must have a column of scores"),
        ("uid,score\n4,1\n", "line 2: uid must be a whole number from 0 to 3, got '4'"),
        ("uid,score\n-1,1\n", "line 2: uid must be a whole number"),
        ("uid,score\n0,x\n", "line 2, column 'score': must be a number or empty, got 'x'"),
        ("uid,score\n0\n", "line 2: must have 2 cells"),
        ("uid,score\n0,1\n0,2\n", "a-a has several"),
        ("uid,score\n\n0,1\n\n1,x\n", "line 5, column 'score': must be a number or empty, got 'x'"),
        ("uid,score\n\n4,1\n", "line 3: uid must be a whole number"),
        ("architecture,score\na-z,1\n", "line 2: a word must have 2 of the letters ab"),
    ],
)
def test_faulty_score_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_scores(write(tmp_path / "scores.csv", text), SPACE)


def test_a_name_for_several_scores_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.csv", "architecture,one,two\na-b,1,2\n")
    with pytest.raises(InputError, match=r"scores must have one column of scores to be named 'mine', .* has one, two;"):
        read_scores(path, SPACE, "mine")


def test_a_missing_second_is_unknown(tmp_path: Path) -> None:
    text = "architecture,one,two,one_seconds,two_seconds,seconds\na-b,1,2,,3,\nb-a,1,2,4,5,6\na-a,1,2,inf,6,7\n"
    found = read_scores(write(tmp_path / "scores.csv", text), SPACE)
    one, two = found["one"], found["two"]
    assert (one.timed, one.untimed, two.timed, two.untimed) == (False, 2, True, 0)
    assert [observation.seconds for observation in one.observe(["a-b", "b-a", "a-a"])] == [0, 4, 0]
    assert CombinedSignal([two, one], ["a-b", "b-a"], "rank").timed is False


def test_a_missing_score_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a readable CSV file of scores"):
        read_scores(tmp_path / "absent.csv", SPACE)


def table(**columns: list[float]) -> AccuracyTable:
    return AccuracyTable(
        "letters",
        "letters",
        Target("cifar10", "test", 200, "one"),
        ("a-a", "a-b"),
        np.array([90.0, 91.0]),
        "",
        "",
        {name: np.array(values) for name, values in columns.items()},
    )


def test_columns_of_a_table_cost_their_training() -> None:
    signals = table_signals(table(valid12=[1, 2], valid12_seconds=[24, 36], valid200=[3, 4], params=[5, 6]), "accuracy")
    assert list(signals) == ["accuracy", "valid12", "valid200", "params"]
    assert {name: one.epochs for name, one in signals.items()} == {
        "accuracy": 200,
        "valid12": 12,
        "valid200": 200,
        "params": 0,
    }
    assert [signals[name].observe(["a-b"])[0].seconds for name in signals] == [600, 36, 600, 0]
    assert {name for name, one in signals.items() if one.timed} == {"accuracy", "valid12", "valid200"}


def test_columns_are_read_as_converters_name_them() -> None:
    columns = {
        name: [1.0, 2.0]
        for name in (
            "test_200", "test_200_seed777", "test_12", "test_12_seed777", "test_12_seed888", "test_200@100",
            "accuracy_seed777", "synflow", "params",
        )
    }  # fmt: skip
    seconds = {"train_seconds_12": [12.0, 24.0], "train_seconds_200": [100.0, 300.0], "seconds_synflow": [0.5, 0.25]}
    signals = table_signals(table(**columns, **seconds), "accuracy")
    assert list(signals) == ["accuracy", *columns]
    assert {name: (one.epochs, one.observe(["a-b"])[0].seconds) for name, one in signals.items()} == {
        "accuracy": (200, 300),
        "test_200": (200, 300),
        "test_200_seed777": (200, 300),
        "test_12": (12, 24),
        "test_12_seed777": (12, 24),
        "test_12_seed888": (12, 24),
        "test_200@100": (100, 150),
        "accuracy_seed777": (0, 0),
        "synflow": (0, 0.25),
        "params": (0, 0),
    }
    assert not signals["accuracy_seed777"].timed
    assert [one.name for one in levels_of("test_200", signals)] == ["test_12", "test_200"]
    assert [one.name for one in levels_of("test_200_seed777", signals)] == ["test_12_seed777", "test_200_seed777"]


def test_a_converted_table_gives_costs(shared_data: Path, tmp_path: Path) -> None:
    official = shared_data / "official_samples" / "NATS-tss-v1_0-3ffb9-simple"
    convert(BENCHMARKS["nats_tss"], [official], "cifar10", tmp_path / "t.csv", partial=True)
    read = load_table("nats_tss", "cifar10", tmp_path / "t.csv")
    signals = table_signals(read, "accuracy")
    assert not [name for name in signals if "seconds" in name]
    first = read.architectures[0]
    for name, epochs in (("accuracy", 200), ("test_200_seed777", 200), ("validation_200", 200), ("test_12", 12)):
        assert signals[name].epochs == epochs
        assert signals[name].observe([first])[0].seconds == read.columns[f"train_seconds_{epochs}"][0] > 0
    points = [f"validation_200@{epoch}" for epoch in (1, 2, 4, 8, 16, 32, 64, 128)]
    assert [one.name for one in levels_of("validation_200", signals)] == [*points, "validation_200"]
    costs = [signals[point].observe([first])[0].seconds for point in points]
    assert costs == pytest.approx([read.columns["train_seconds_200"][0] * 2**power / 200 for power in range(8)])


def test_the_seconds_of_a_whole_training_are_shared_by_its_epochs() -> None:
    signals = table_signals(table(val4=[1, 2], val108=[1, 2], train_seconds=[200, math.nan]), "accuracy")
    assert [signals[name].observe(["a-a"])[0].seconds for name in signals] == [200, 4, 108]
    assert signals["val4"].observe(["a-b"])[0].seconds == 0
    assert (signals["val4"].timed, signals["val4"].untimed) == (False, 1)


def test_a_table_without_seconds_knows_none() -> None:
    assert not table_signals(table(), "accuracy")["accuracy"].timed


def test_levels_are_the_same_after_fewer_epochs() -> None:
    columns = {name: [1.0, 2.0] for name in ("valid200", "valid12", "test12", "valid4", "valid", "params4")}
    signals = table_signals(table(**columns), "accuracy")
    assert [one.name for one in levels_of("valid200", signals)] == ["valid4", "valid12", "valid200"]
    assert [one.name for one in levels_of("valid12", signals)] == ["valid4", "valid12"]
    assert [one.name for one in levels_of("accuracy", signals)] == ["accuracy"]


def test_levels_are_the_points_of_a_learning_curve_where_there_are_several() -> None:
    names = ("test_200", "test_200@8", "test_200@1", "test_200_seed1", "test_12", "test_108", "test_108@54", "test_2")
    signals = table_signals(table(**{name: [1.0, 2.0] for name in names}), "accuracy")
    assert {name: signals[name].epochs for name in names[:4]} == dict(zip(names, (200, 8, 1, 200), strict=False))
    assert [one.name for one in levels_of("test_200", signals)] == ["test_200@1", "test_200@8", "test_200"]
    assert [one.name for one in levels_of("test_108", signals)] == ["test_2", "test_12", "test_108"]
    assert [one.name for one in levels_of("test_200@8", signals)] == ["test_200@8"]


@pytest.mark.parametrize(("epochs", "kept"), [(range(1, 12), (1, 2, 4, 8)), ((3, 6, 8), (3, 6, 8))])
def test_levels_double_where_every_epoch_is_there(epochs: Sequence[int], kept: Sequence[int]) -> None:
    signals = table_signals(table(test_12=[1.0, 2.0], **{f"test_12@{one}": [1.0, 2.0] for one in epochs}), "accuracy")
    assert [one.name for one in levels_of("test_12", signals)] == [*(f"test_12@{one}" for one in kept), "test_12"]
