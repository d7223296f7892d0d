from __future__ import annotations

import functools
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from eznas.errors import EznasError, InputError
from eznas.scoring import cluster, over_networks, worker_count
from eznas.scoring.cluster import current_cluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = [str(number) for number in range(12)]
kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs processes that can be killed")


def _double(word: str) -> str:
    return 2 * word


def _die_once(flag: Path, word: str) -> str:
    """Kill the process that runs the fourth word, the first time."""
    if word == "3" and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * word


def _die(_: Path, word: str) -> str:
    """Kill the process that runs the fourth word, every time."""
    if word == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * word


@pytest.mark.parametrize("workers", [1, 2])
def test_every_network_comes_back_once_with_its_result(workers: int) -> None:
    found = list(over_networks(_double, WORDS, workers))
    assert sorted(found) == sorted((word, 2 * word) for word in WORDS)


def test_nothing_gives_nothing() -> None:
    assert list(over_networks(_double, [], 2)) == []


@kills
def test_a_worker_that_dies_is_replaced_and_its_networks_are_done_again(tmp_path: Path) -> None:
    found = list(over_networks(functools.partial(_die_once, tmp_path / "flag"), WORDS, 2))
    assert (tmp_path / "flag").exists()
    assert sorted(found) == sorted((word, 2 * word) for word in WORDS)


@kills
def test_a_network_that_always_costs_its_worker_is_named_and_what_came_before_is_kept(tmp_path: Path) -> None:
    found: dict[str, str] = {}
    with pytest.raises(EznasError, match="the process that ran 3 ended 2 times without a result, as one does that"):
        found.update(over_networks(functools.partial(_die, tmp_path), WORDS, 2))
    assert {"0", "1", "2"} <= set(found)
    assert all(result == 2 * word for word, result in found.items())
    assert list(over_networks(_double, ["a"], 1)) == [("a", "aa")]  # and life goes on


def test_workers_with_other_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.scoring.parallel.fingerprint", lambda: "2.0|abc")
    with pytest.raises(EznasError, match=r"every worker must have the code and the torch .*, 2\.0\|abc, got"):
        list(over_networks(_double, WORDS, 2))


def test_loky_is_no_cluster_and_takes_no_scheduler() -> None:
    with cluster("loky"):
        assert current_cluster() is None
        assert worker_count(3) == 3
    with (
        pytest.raises(InputError, match="--scheduler must come with --backend dask or ray"),
        cluster("loky", "tcp://a"),
    ):
        pass


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # the import system then says that there is none
    sentence = rf'--backend {backend} must have the package {package}, .* pip install "eznas\[{backend}\]"'
    enter: Callable[..., object] = cluster
    with pytest.raises(InputError, match=sentence), enter(backend):  # type: ignore[attr-defined]
        pass


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install eznas[dask]")
    monkeypatch.setattr("eznas.scoring.cluster._CONNECT", 0.5)
    with (
        pytest.raises(
            InputError, match=r"--scheduler must be a Dask scheduler with workers, got 'tcp://127\.0\.0\.1:9'"
        ),
        cluster("dask", "tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device here")
def test_a_device_that_is_not_there_is_one_sentence() -> None:
    from eznas.scoring import resolve_device

    with pytest.raises(InputError, match="--device must be auto or a device that works here, got 'cuda'") as caught:
        resolve_device("cuda")
    assert "\n" not in str(caught.value)
