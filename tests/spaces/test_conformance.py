from __future__ import annotations

import json

import pytest

from eznas.errors import InputError
from eznas.minibatch import load_minibatch
from eznas.programs import parse, reductions
from eznas.scoring import Condition, Panel, Proxy, score_networks
from eznas.spaces import SPACES
from eznas.status import Status
from eznas.testing.spaces import check_edits, check_features, check_networks, check_strings, sampled

DRAWN = sorted(set(SPACES) - {"pytorchcv"})  # which has a package and tests of its own
IMAGES = [name for name in DRAWN if not SPACES[name].vocabulary]


@pytest.mark.parametrize("name", DRAWN)
def test_strings(name: str) -> None:
    check_strings(SPACES[name], sampled(SPACES[name], 5))


@pytest.mark.parametrize("name", DRAWN)
def test_edits(name: str) -> None:
    check_edits(SPACES[name], sampled(SPACES[name], 1))


@pytest.mark.parametrize("name", DRAWN)
def test_features(name: str) -> None:
    check_features(SPACES[name], sampled(SPACES[name], 20))


@pytest.mark.parametrize("name", DRAWN)
def test_networks(name: str) -> None:
    check_networks(SPACES[name], sampled(SPACES[name], 1))


@pytest.mark.parametrize("name", IMAGES)
def test_generic_scoring_works_over_the_space(name: str) -> None:
    space = SPACES[name]
    fidelity = space.fidelities[space.reduced[-1]]
    minibatch = load_minibatch("digits", 4, pixels=fidelity.pixels)
    condition = Condition.of(name, fidelity, 0, minibatch)
    proxies = [Proxy.of("params"), Proxy.of("sum(mean(abs(norm_out.data)))"), Proxy.of("sum(frobenius_norm(weight))")]
    architectures = sampled(space, 2)
    matrix = score_networks(proxies, condition, architectures)
    for row in range(len(proxies)):
        assert matrix.statuses(row) == {Status.OK: len(architectures)}, matrix.scores[row]
    panel = Panel(condition, architectures)
    program = parse("sum(mean(abs(norm_out.data)))")
    assert panel.extend(reductions([program])) == [True]
    assert panel.table.scores([program])[0].tolist() == pytest.approx(matrix.values()[1].tolist())


LONG = "x" * 20_000
TEXTS = {name: [LONG] for name in DRAWN} | {
    "nasbench101": [LONG, f"01/00 {LONG},output", f"010/001/000 input,{LONG},output"],
    "nasbench201": [LONG, f"|{LONG}~0|+|none~0|none~1|+|none~0|none~1|none~2|"],
    "darts": [LONG, json.dumps({"normal": [[LONG, 0], [LONG, 1]]})],
    "nds_resnet": [LONG, json.dumps({"block_type": LONG})],
    "nds_darts": [LONG, json.dumps({"width": LONG}), json.dumps({"width": 2, "depth": LONG})],
}


@pytest.mark.parametrize("name", TEXTS)
def test_errors_show_the_beginning_of_a_long_text(name: str) -> None:
    for text in TEXTS[name]:
        with pytest.raises(InputError) as error:
            SPACES[name].parse(text)
        assert len(str(error.value)) < 600
