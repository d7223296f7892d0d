from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from torch import nn

from eznas.benchmarks.table import AccuracyTable, Target
from eznas.minibatch import load_minibatch
from eznas.ranking import correlate
from eznas.report.verification import pictures, scale_of, verification_figure
from eznas.scoring import Condition, Proxy
from eznas.scoring.verification import Column, Verification
from eznas.seeds import numpy_rng
from eznas.spaces import SPACES
from eznas.status import Score, Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COUNT = 60
ARCHITECTURES = tuple((SPACES["nasbench_macro"].architectures() or ())[100 : 100 + COUNT])
ACCURACIES = 80 + 14 * numpy_rng(0, "accuracies").random(COUNT)


def verified(*columns: tuple[str, NDArray[np.float64]], params: NDArray[np.float64] | None = None) -> Verification:
    space = SPACES["nasbench_macro"]
    condition = Condition.of(space.name, space.fidelities["full"], 0, load_minibatch("digits", 2))
    target = Target("cifar10", "test", 50, "mean of three")
    known = {} if params is None else {"params": params}
    table = AccuracyTable(space.name, space.name, target, ARCHITECTURES, ACCURACIES, "t.csv", "", known)
    found = []
    for name, values in columns:
        finite = np.isfinite(values)
        scores = tuple(map(Score.of, values.tolist()))
        found.append(Column(Proxy(name), scores, correlate(values[finite], ACCURACIES[finite], resamples=10)))
    return Verification(table, condition, ARCHITECTURES, ACCURACIES, tuple(found), ())


def offsets(panel: Axes) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(points.get_offsets()) for points in panel.collections])


@pytest.mark.parametrize(
    ("scores", "scale"),
    [
        (np.linspace(3, 9, 50), "linear"),
        (np.linspace(-1, 1, 50), "linear"),
        (np.zeros(50), "linear"),
        (np.full(50, -2.0), "linear"),
        (np.geomspace(1e4, 1e36, 50), "log"),
        (np.r_[np.linspace(1, 2, 49), 1e30], "log"),
        (np.r_[np.linspace(1, 2, 49), 5.0], "linear"),  # a far one, but less than a decade away
        (np.r_[0.0, np.linspace(1, 2, 48), 1e30], "symlog"),
        (np.r_[-1e12, np.linspace(-2, 2, 48), 1e30], "symlog"),
        (np.r_[np.linspace(-33, -32, 49), -1e4], "symlog"),
        (np.r_[np.zeros(49), 1.0], "symlog"),
        (np.geomspace(1e-300, 1e308, 50), "log"),
    ],
)
def test_the_axis_of_scores(scores: NDArray[np.float64], scale: str) -> None:
    with np.errstate(over="raise", invalid="raise"):
        found, linear = scale_of(scores)
    assert found == scale
    assert (linear > 0) == (scale == "symlog")


def test_points_lie_where_scores_and_accuracies_are() -> None:
    scores = ACCURACIES**2
    shown = verified(("square", scores), params=np.geomspace(1e5, 1e7, COUNT))
    left, right, _ = verification_figure(shown, shown.columns[0], np.geomspace(1e5, 1e7, COUNT)).axes
    assert {tuple(pair) for pair in offsets(left).tolist()} == set(zip(scores, ACCURACIES, strict=True))
    assert sorted(offsets(right).tolist()) == [[rank, rank] for rank in range(1, COUNT + 1)]
    assert left.get_ylabel() == "cifar10 test accuracy in percent"


def test_networks_without_a_score_are_said_and_left_out() -> None:
    scores = np.where(np.arange(COUNT) < 4, np.nan, ACCURACIES)
    shown = verified(("some", scores))
    figure = verification_figure(shown, shown.columns[0], np.full(COUNT, 7.0))
    assert len(offsets(figure.axes[1])) == COUNT - 4
    assert figure.get_suptitle() == f"some   tau = 1.000, rho = 1.000   ({COUNT - 4} networks, 4 without a score)"


def test_heavy_tails_are_drawn_without_warnings_and_readable() -> None:
    scores = np.geomspace(1e-3, 1e30, COUNT)
    mixed = np.where(np.arange(COUNT) % 2, -scores, scores)
    shown = verified(("positive", scores), ("mixed", mixed), params=np.arange(1.0, COUNT + 1))
    written = dict(pictures(shown, pytest.fail))
    assert list(written) == ["positive.png", "mixed.png"]
    for column, scale in zip(shown.columns, ("log", "symlog"), strict=True):
        left = verification_figure(shown, column, np.arange(1.0, COUNT + 1)).axes[0]
        assert left.get_xscale() == scale
        assert 3 <= len([tick for tick in left.get_xticks() if left.get_xlim()[0] <= tick <= left.get_xlim()[1]]) <= 8


def test_names_of_files_are_safe_and_different() -> None:
    names = [
        "sum(mean(abs(norm_out.noise)))",
        "sum_mean(abs(norm_out.noise))",
        "../up",
        "a" * 200,
        "NASWOT",
        "naswot",
        "empty",
    ]
    values = [ACCURACIES] * 6 + [np.full(COUNT, np.nan)]
    written = dict(pictures(verified(*zip(names, values, strict=True), params=np.ones(COUNT)), pytest.fail))
    assert list(written) == [
        *("sum_mean_abs_norm_out.noise.png", "sum_mean_abs_norm_out.noise_2.png", ".._up.png", f"{'a' * 60}.png"),
        *("NASWOT.png", "naswot_2.png"),
    ]
    for data in written.values():
        assert data.startswith(b"\x89PNG")
        assert struct.unpack(">II", data[16:24]) == (1440, 660)


def test_parameters_are_counted_where_the_table_has_none() -> None:
    shown = verified(("params", ACCURACIES))
    [(_, data)] = pictures(shown, pytest.fail)
    assert data.startswith(b"\x89PNG")
    space = SPACES["nasbench_macro"]
    from eznas.report.verification import _params

    network = space.build(ARCHITECTURES[0], space.fidelities["full"], 10)
    assert _params(shown)[0] == sum(parameter.numel() for parameter in network.parameters())


def test_networks_that_cannot_be_built_are_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    from eznas.report.verification import _params

    def build(_space: object, architecture: str, *_args: object) -> nn.Module:
        if architecture == ARCHITECTURES[0]:
            raise NotImplementedError("this builder needs numbers, and meta tensors have none")
        return nn.ReLU() if architecture == ARCHITECTURES[1] else nn.Linear(ARCHITECTURES.index(architecture) ** 2, 1)

    monkeypatch.setattr(type(SPACES["nasbench_macro"]), "build", build)
    shown = verified(("some", ACCURACIES))
    params = _params(shown)
    assert np.isnan(params[0])
    assert params[1:4].tolist() == [0, 5, 10]
    axes = verification_figure(shown, shown.columns[0], params).axes
    colours = axes[1].collections[0].get_array()
    assert colours is not None
    assert np.ma.getmaskarray(colours).tolist() == [True] + [False] * (COUNT - 1)
    assert colours.min() == 1
    assert axes[2].get_ylabel() == "parameters (grey: not known)"
    assert len(list(pictures(shown, pytest.fail))) == 1
    unknown = verification_figure(shown, shown.columns[0], np.full(COUNT, np.nan))
    assert len(offsets(unknown.axes[1])) == COUNT


def test_a_column_of_scores_is_no_number_of_parameters() -> None:
    from eznas.report.verification import _params

    shown = verified(("some", ACCURACIES), params=np.full(COUNT, 7.0))
    assert set(_params(shown)) == {7}
    assert 7 not in _params(replace(shown, table=replace(shown.table, benchmark="zc_nasbench201")))


def test_a_picture_that_cannot_be_drawn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_made: object) -> bytes:
        raise ValueError("too many pixels")

    monkeypatch.setattr("eznas.report.verification.png", fail)
    said: list[str] = []
    assert not list(pictures(verified(("some", ACCURACIES), params=np.ones(COUNT)), said.append))
    assert said == ["some.png was not drawn: too many pixels"]


@pytest.mark.parametrize(("dataset", "label"), [("normal", ""), ("jigsaw", " in percent"), ("cifar10", " in percent")])
def test_only_what_is_percent_is_called_so(dataset: str, label: str) -> None:
    shown = verified(("some", ACCURACIES))
    shown = replace(shown, table=replace(shown.table, target=replace(shown.table.target, dataset=dataset)))
    axes = verification_figure(shown, shown.columns[0], np.ones(COUNT)).axes
    assert axes[0].get_ylabel() == f"{dataset} test accuracy{label}"


def test_constant_scores_are_a_picture_too() -> None:
    shown = verified(("constant", np.ones(COUNT)), params=np.ones(COUNT))
    figure = verification_figure(shown, shown.columns[0], np.ones(COUNT))
    assert "no tau: all scores are equal" in cast("str", figure.get_suptitle())
    assert shown.columns[0].constant
    assert shown.columns[0].statuses() == {Status.CONSTANT.value: COUNT}
