from __future__ import annotations

import pytest

from eznas.minibatch import load_minibatch
from eznas.programs import parse, reductions
from eznas.scores import Status
from eznas.scoring import Condition, Panel, Proxy, score_networks
from eznas.spaces import SPACES
from eznas.testing.spaces import check_edits, check_networks, check_strings, sampled

DRAWN = sorted(set(SPACES) - {"pytorchcv"})  # which has a package and tests of its own


@pytest.mark.parametrize("name", DRAWN)
def test_strings(name: str) -> None:
    check_strings(SPACES[name], sampled(SPACES[name], 5))


@pytest.mark.parametrize("name", DRAWN)
def test_edits(name: str) -> None:
    check_edits(SPACES[name], sampled(SPACES[name], 1))


@pytest.mark.parametrize("name", DRAWN)
def test_networks(name: str) -> None:
    check_networks(SPACES[name], sampled(SPACES[name], 1))


@pytest.mark.parametrize("name", DRAWN)
def test_generic_scoring_works_over_the_space(name: str) -> None:
    space = SPACES[name]
    fidelity = space.fidelities[space.reduced[-1]]
    minibatch = load_minibatch("digits", 4, pixels=fidelity.pixels)
    condition = Condition.of(name, fidelity, 0, minibatch)
    proxies = [Proxy.of("params"), Proxy.of("sum(mean(abs(act.data)))"), Proxy.of("sum(frobenius_norm(weight))")]
    architectures = sampled(space, 2)
    matrix = score_networks(proxies, condition, architectures)
    for row in range(len(proxies)):
        assert matrix.statuses(row) == {Status.OK: len(architectures)}, matrix.scores[row]
    panel = Panel(condition, architectures)
    program = parse("sum(mean(abs(act.data)))")
    assert panel.extend(reductions([program]))[0].all()
    assert panel.scores([program])[0].tolist() == pytest.approx(matrix.values()[1].tolist())
