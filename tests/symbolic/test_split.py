from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from eznas.errors import InputError
from eznas.symbolic.config import ScoresConfig, parse_split
from eznas.symbolic.split import split_task, split_tasks
from eznas.symbolic.table import TaskScores


def task(names: list[str], name: str = "task") -> TaskScores:
    return TaskScores(name, tuple(names), np.arange(len(names), dtype=float), {})


def test_an_architecture_is_in_the_same_part_of_every_task() -> None:
    names = [f"net{index}" for index in range(400)]
    first, second = task(names), task(names[::-1][:300], "other")
    parts = []
    for each in (first, second):
        split = split_task(each, (0.5, 0.2, 0.3), seed=3)
        parts.append([{each.architectures[place] for place in part} for part in (split.train, split.validation,
                                                                                split.test)])  # fmt: skip
    for one, other in zip(*parts, strict=True):
        assert other == one & set(second.architectures)
    assert sum(map(len, parts[0])) == len(set.union(*parts[0])) == 400
    assert [len(part) for part in parts[0]] == pytest.approx([200, 80, 120], abs=25)


@pytest.mark.parametrize("sizes", [(30, 20, 30), (0.4, 0.2, 0.4), (0.3, 0.2, 0.3)])
def test_no_architecture_of_a_test_is_trained_on_in_another_task(sizes: tuple[float, float, float]) -> None:
    names = [f"net{index}" for index in range(300)]
    tasks = [task(names[:200], "held"), task(names[:150]), task(names[100:], "overlapping"), task(names[:150], "same")]
    splits = split_tasks(tasks, sizes, 0, held_out=["held"])
    used, tested = (
        {each.architectures[place] for each, split in zip(tasks, splits, strict=True) for place in places(split)}
        for places in (lambda split: [*split.train, *split.validation], lambda split: split.test)
    )
    assert not used & tested
    assert splits[1].test.tolist() == splits[3].test.tolist()
    assert len(splits[0].train) == 0
    if sizes[0] > 1:
        assert all([len(split.train), len(split.validation), len(split.test)] == [*sizes] for split in splits[1:])


def test_numbers_that_leave_no_test_architectures_are_refused() -> None:
    others = [task([f"{name}{index}" for index in range(60)], name) for name in ("first", "second")]
    splits = split_tasks(others, (20, 20, 20), 0)
    trained = [each.architectures[place] for each, split in zip(others, splits, strict=True) for place in split.train]
    crowded = task([*trained, *(f"own{index}" for index in range(20))], "crowded")
    with pytest.raises(InputError, match="crowded must have 20 test architectures that no other task has in another"):
        split_tasks([*others, crowded], (20, 20, 20), 0)


def test_shares_below_a_sum_of_1_leave_architectures_unused() -> None:
    split = split_task(task([f"net{index}" for index in range(1000)]), (0.2, 0.1, 0.3), 0)
    assert [len(part) for part in (split.train, split.validation, split.test)] == pytest.approx([200, 100, 300], abs=45)


def test_numbers_are_kept_and_the_seed_counts() -> None:
    each = task([f"net{index}" for index in range(100)])
    split = split_task(each, (30, 20, 10), seed=0)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [30, 20, 10]
    assert len({*split.train, *split.validation, *split.test}) == 60
    assert split_task(each, (30, 20, 10), seed=1).train.tolist() != split.train.tolist()


def test_a_held_out_task_has_test_architectures_only() -> None:
    each = task([f"net{index}" for index in range(100)])
    held, seen = (split_task(each, (0.5, 0.2, 0.3), 0, held_out=held_out) for held_out in (True, False))
    assert len(held.train) == len(held.validation) == 0
    assert held.test.tolist() == seen.test.tolist()


def test_large_tasks_are_cut_to_a_thousand() -> None:
    split = split_task(task([f"net{index}" for index in range(4000)]), (0.5, 0.2, 0.3), 0)
    assert len(split.train) == len(split.test) == 1000
    assert len(split.validation) == pytest.approx(800, abs=80)


def test_small_tasks_are_refused() -> None:
    few = task([f"net{index}" for index in range(30)])
    with pytest.raises(InputError, match="the validation architectures of task must be at least 10"):
        split_task(few, (0.5, 0.1, 0.4), 0)
    with pytest.raises(InputError, match="task must have 60 architectures for split 20/20/20, it has 30"):
        split_task(few, (20, 20, 20), 0)
    equal = TaskScores("equal", few.architectures, np.zeros(30), {})
    with pytest.raises(InputError, match="at least 10 of different accuracies"):
        split_task(equal, (10, 10, 10), 0)


@pytest.mark.parametrize("text", ["", "1/2", "0.5/0.5/0.5", "0.5/0.2/-0.1", "10/20/0.5", "a/b/c", "0.2/0.2/0"])
def test_other_splits_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"three shares or three numbers, such as 0\.5/0\.2/0\.3"):
        ScoresConfig(scores="scores.csv", split=text)


def test_splits_are_read() -> None:
    assert parse_split("0.5/0.2/0.3") == (0.5, 0.2, 0.3)
    assert parse_split("300/100/200") == (300, 100, 200)
