"""Parameter counts and orders of spaces against the real tables."""

from __future__ import annotations

import ast
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from eznas.errors import InputError
from eznas.networks.nasbench101 import vertex_channels
from eznas.spaces import SPACES
from eznas.spaces.nasbench101 import NasBench101

if TYPE_CHECKING:
    from collections.abc import Callable


def count(space: str, architecture: str, classes: int = 10) -> int:
    with torch.device("meta"):
        network = SPACES[space].build(architecture, SPACES[space].fidelities["full"], classes)
    return sum(parameter.numel() for parameter in network.parameters())


def cell(adjacency: str, operations: list[str]) -> str:
    size = len(operations) + 2
    digits = iter(adjacency)
    rows = [["0"] * size for _ in range(size)]
    for i, j in itertools.combinations(range(size), 2):
        rows[i][j] = next(digits)
    return f"{'/'.join(map(''.join, rows))} {','.join(['input', *operations, 'output'])}"


def unit(c_in: int, c_out: int, kernel: int = 1) -> int:
    """Parameters of a convolution and its normalisation."""
    return c_in * c_out * kernel**2 + 2 * c_out


def nasbench101_by_hand(architecture: str) -> int:
    rows, named = architecture.split()
    matrix = [[int(digit) for digit in row] for row in rows.split("/")]
    operations = named.split(",")

    def cell(c_in: int, c_out: int) -> int:
        channels, total = vertex_channels(matrix, c_in, c_out), 0
        for vertex in range(1, len(matrix)):
            total += matrix[0][vertex] * unit(c_in, channels[vertex])
            kernel = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}.get(operations[vertex])
            total += unit(channels[vertex], channels[vertex], kernel) if kernel else 0
        return total

    stacks = ((128, 128), (128, 256), (256, 512))
    body = sum(cell(c_in, c_out) + 2 * cell(c_out, c_out) for c_in, c_out in stacks)
    return unit(3, 128, 3) + body + 512 * 10 + 10


def test_nasbench101_parameters_are_the_tables(real: Callable[[str], Any]) -> None:
    table = real("nasbench101")
    space = NasBench101()
    for index, params in list(enumerate(table["params"]))[::3]:
        architecture = cell(table["adj"][index], [table["ops"][int(digit)] for digit in table["op"][index]])
        assert nasbench101_by_hand(space.trained(architecture)) == params
        if index % 750 == 0:
            assert count("nasbench101", architecture) == params


def nasbench_macro_by_hand(architecture: str) -> int:
    total, c_in = unit(3, 32, 3), 32
    for place, digit in enumerate(architecture):
        c_out = 2 * c_in if place in (0, 2, 5) else c_in
        expansion, kernel = {"0": (0, 0), "1": (3, 3), "2": (6, 5)}[digit]
        inner = expansion * c_in
        if expansion:
            total += unit(c_in, inner) + inner * kernel**2 + 2 * inner + unit(inner, c_out)
        elif c_out != c_in:
            total += unit(c_in, c_out)
        c_in = c_out
    return total + unit(c_in, 1280) + 1280 * 10 + 10


def test_nasbench_macro_parameters_are_the_tables(real: Callable[[str], Any]) -> None:
    table = real("nasbench_macro")
    for index, (architecture, params) in enumerate(zip(table["arch"], table["params"], strict=True)):
        assert nasbench_macro_by_hand(architecture) == params
        if index % 200 == 0:
            assert count("nasbench_macro", architecture) == params


def test_transnas_strings_are_the_tables(real: Callable[[str], Any]) -> None:
    table = real("transnas101")
    for kind in ("micro", "macro"):
        assert list(SPACES[f"transnas_{kind}"].architectures() or ()) == table[kind]["arch"]


@pytest.mark.parametrize(("task", "classes"), [("class_scene", 63), ("class_object", 100)])
def test_transnas_parameters_are_those_published(real: Callable[[str], Any], task: str, classes: int) -> None:
    scores = real("published_scores_nbsuite_zero")
    for text, millions in list(
        zip(*(scores["transbench101_micro"][task][name] for name in ("arch", "params")), strict=True)
    )[::40]:
        a, b, c, d, e, f = ast.literal_eval(text)
        assert count("transnas_micro", f"64-41414-{a}_{b}{c}_{d}{e}{f}", classes) == pytest.approx(
            1e6 * millions, rel=1e-6
        )
    for text, millions in list(
        zip(*(scores["transbench101_macro"][task][name] for name in ("arch", "params")), strict=True)
    )[::40]:
        layers = "".join(str(layer) for layer in ast.literal_eval(text) if layer)
        assert count("transnas_macro", f"64-{layers}-basic", classes) == pytest.approx(1e6 * millions, rel=1e-6)


def test_darts_cells_are_the_tables(real: Callable[[str], Any]) -> None:
    table = real("darts_random")
    space = SPACES["darts"]
    for cells in table["genotype"][::50]:
        edges = [[[table["ops"][operation], source] for operation, source in listed] for listed in cells]
        genotype = {
            "normal": edges[0],
            "reduce": edges[1],
            "normal_concat": [2, 3, 4, 5],
            "reduce_concat": [2, 3, 4, 5],
        }
        architecture = space.parse(json.dumps(genotype))
        assert json.loads(architecture) == genotype
        assert count("darts", architecture) > 100_000


def test_channels_of_vertices_are_shared_and_handed_back() -> None:
    matrix = [[0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert vertex_channels(matrix, 16, 33) == [16, 17, 16, 16, 33]
    assert vertex_channels([[0, 1], [0, 0]], 16, 32) == [16, 32]


NB101 = SPACES["nasbench101"]
PLAIN = "010/001/000 input,conv3x3-bn-relu,output"


def test_unused_vertices_are_left_out() -> None:
    assert NB101.parse("0110/0001/0000/0000 input,conv3x3-bn-relu,maxpool3x3,output") == PLAIN
    assert (
        NB101.parse("0101/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output")
        == "011/001/000 input,conv3x3-bn-relu,output"
    )


def test_canonical_is_blind_to_numbering() -> None:
    one = "0110/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output"
    other = "0110/0001/0001/0000 input,maxpool3x3,conv3x3-bn-relu,output"
    assert NB101.canonical(one) == NB101.canonical(other)
    assert NB101.canonical(one) != NB101.canonical(one.replace("maxpool3x3", "conv1x1-bn-relu"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows of 0 and 1"),
        ("010/001 input,conv3x3-bn-relu,output", "rows of 0 and 1"),
        ("010/001/000 input,output", "rows of 0 and 1"),
        ("010/001/000 output,conv3x3-bn-relu,input", "must be input, ..., output"),
        ("010/001/000 input,conv5x5,output", "unknown operation of nasbench101"),
        ("010/101/000 input,conv3x3-bn-relu,output", "upper triangular"),
        ("010/000/000 input,conv3x3-bn-relu,output", "a path from input to output"),
        ("01111/00111/00011/00001/00000 input" + ",maxpool3x3" * 3 + ",output", "at most 7 vertices and 9 edges"),
    ],
)
def test_what_is_no_cell_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NB101.parse(text)


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ("nasbench_macro", "0120122"),
        ("nasbench_macro", "01201223"),
        ("transnas_micro", "64-41414-4_00_000"),
        ("transnas_macro", "64-1111-basic"),
        ("transnas_macro", "64-444444-basic"),
        ("darts", "{}"),
        ("darts", "[]"),
    ],
)
def test_what_is_no_architecture_is_refused(space: str, text: str) -> None:
    with pytest.raises(InputError, match="must"):
        SPACES[space].parse(text)


def test_canonical_forms_of_the_small_spaces() -> None:
    assert SPACES["nasbench_macro"].canonical("00101010") == "00110010"
    assert SPACES["transnas_micro"].canonical("64-41414-3_00_200") == "64-41414-0_00_200"
    assert SPACES["transnas_micro"].canonical("64-41414-3_03_001") == "64-41414-3_03_001"
