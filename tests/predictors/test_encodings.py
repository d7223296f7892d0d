"""Encodings, against values worked out by hand."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.predictors import ENCODINGS, Curves
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.encodings.tokens import Tokens
from eznas.spaces import SPACES

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
SMALL = "0110/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output"
GENOTYPE = json.dumps(
    {
        "normal": [["sep_conv_3x3", 0], ["skip_connect", 1]] * 4,
        "normal_concat": [2, 3, 4, 5],
        "reduce": [["max_pool_3x3", 0], ["none", 1]] + [["dil_conv_5x5", 2], ["skip_connect", 0]] * 3,
        "reduce_concat": [2, 3, 4, 5],
    }
)


def encoder(text: str, space: str, **inputs: object) -> Encoder:
    return Encoder(text, EncodingInputs(SPACES[space], **inputs))  # type: ignore[arg-type]


def ones(text: str, space: str, architecture: str) -> dict[str, float]:
    made = encoder(text, space)
    row = made.rows([architecture])[0]
    return {name.partition(".")[2]: value for name, value in zip(made.columns, row.tolist(), strict=True) if value}


def test_onehot_of_a_cell_names_edge_and_operation() -> None:
    assert ones("onehot", "nasbench201", CELL) == {
        "0>1_nor_conv_3x3": 1,
        "0>2_none": 1,
        "1>2_skip_connect": 1,
        "0>3_avg_pool_3x3": 1,
        "1>3_none": 1,
        "2>3_nor_conv_1x1": 1,
    }


def test_onehot_of_a_small_cell_of_nasbench101_puts_the_output_last() -> None:
    assert ones("onehot", "nasbench101", SMALL) == {
        "0>1": 1, "0>2": 1, "1>6": 1, "2>6": 1, "1_conv3x3-bn-relu": 1, "2_maxpool3x3": 1,
    }  # fmt: skip


def test_onehot_of_a_genotype_counts_the_operations_of_an_edge() -> None:
    found = ones("onehot", "darts", GENOTYPE)
    assert found["normal_0>2_sep_conv_3x3"] == found["normal_1>5_skip_connect"] == 1
    assert found["reduce_1>2_none"] == found["reduce_2>4_dil_conv_5x5"] == 1
    assert sum(found.values()) == 16
    pair = {"normal": [["skip_connect", 1], ["skip_connect", 1]] * 5, "normal_concat": [6]}
    net = {**pair, "reduce": pair["normal"], "reduce_concat": [6]}
    text = json.dumps({"width": 32, "depth": 10, "genotype": net})
    found = ones("onehot", "nds_amoeba", text)
    assert (found["normal_1>2_skip_connect"], found["width"], found["depth"]) == (2, 32, 10)


@pytest.mark.parametrize(
    ("space", "architecture", "held"),
    [
        ("transnas_micro", "64-41414-3_02_113", {"0>1_3", "0>2_0", "1>2_2", "0>3_1", "1>3_1", "2>3_3"}),
        ("transnas_macro", "64-1423-basic", {"1_1", "2_4", "3_2", "4_3"}),
        ("nats_sss", "8:16:64:8:24", {"1_8", "2_16", "3_64", "4_8", "5_24"}),
        ("nasbench_macro", "01200000", {"1_0", "2_1", "3_2", "4_0", "5_0", "6_0", "7_0", "8_0"}),
    ],
)
def test_onehot_of_places(space: str, architecture: str, held: set[str]) -> None:
    assert set(ones("onehot", space, architecture)) == held


def test_paths_keep_or_delete_none() -> None:
    """The four paths of the cell: 0>3, 0>1>3, 0>2>3 and 0>1>2>3."""
    words = {
        "avg_pool_3x3", "nor_conv_3x3>none", "none>nor_conv_1x1", "nor_conv_3x3>skip_connect>nor_conv_1x1",
    }  # fmt: skip
    assert set(ones("path", "nasbench201", CELL)) == words
    assert set(ones("path_without_none", "nasbench201", CELL)) == {word for word in words if "none" not in word}
    assert set(ones("path_truncated", "nasbench201", CELL)) == {word for word in words if word.count(">") < 2}


def test_paths_of_nasbench101_and_of_genotypes() -> None:
    assert set(ones("path", "nasbench101", SMALL)) == {"conv3x3-bn-relu", "maxpool3x3"}
    direct = "010001/001000/000100/000010/000001/000000 input" + ",conv1x1-bn-relu" * 4 + ",output"
    assert set(ones("path", "nasbench101", direct)) == {"no operation", ">".join(["conv1x1-bn-relu"] * 4)}
    assert set(ones("path_truncated", "nasbench101", direct)) == {"no operation"}
    found = set(ones("path", "darts", GENOTYPE))
    assert {word for word in found if word.startswith("normal")} == {"normal>0>sep_conv_3x3", "normal>1>skip_connect"}
    assert {word for word in found if word.startswith("reduce>1")} == {"reduce>1>none", "reduce>1>none>dil_conv_5x5"}


@pytest.mark.parametrize(
    ("text", "space", "count"),
    [
        ("onehot", "nasbench201", 30), ("path", "nasbench201", 155), ("path_truncated", "nasbench201", 30),
        ("path_without_none", "nasbench201", 84), ("onehot", "nasbench101", 36), ("path", "nasbench101", 364),
        ("path_truncated", "nasbench101", 40), ("tokens", "nasbench201", 35), ("tokens", "nasbench101", 27),
        ("onehot", "darts", 2 * 14 * 8), ("path_truncated", "darts", 4 * (8 + 64)), ("path", "transnas_micro", 84),
        ("onehot", "nats_sss", 40), ("onehot", "transnas_macro", 24), ("tokens", "darts", 32),
    ],
)  # fmt: skip
def test_the_number_of_columns_is_the_published_one(text: str, space: str, count: int) -> None:
    made = encoder(text, space)
    assert len(set(made.columns)) == len(made.columns) == count


def test_tokens_read_a_graph_vertex_by_vertex() -> None:
    found = encoder("tokens", "nasbench101").rows([SMALL])[0].astype(int).tolist()
    vertices, start = [], 0
    for vertex in range(1, 7):
        vertices.append(found[start : start + vertex + 1])
        start += vertex + 1
    assert vertices == [
        [2, 3], [2, 1, 5], [1, 1, 1, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0], [1, 2, 2, 1, 1, 1, 6],
    ]  # fmt: skip
    first = encoder("tokens", "nasbench201").rows([CELL])[0].astype(int).tolist()
    assert first[:2] == [2, 6]  # 0>1 reads the input; nor_conv_3x3 is the fourth operation
    assert first[2:5] == [2, 1, 3]  # 0>2
    assert first[5:9] == [1, 2, 1, 4]  # 1>2 reads 0>1
    assert first[-8:] == [1, 1, 1, 1, 2, 2, 2, 8]  # the output reads the three edges to node 3


@pytest.mark.parametrize(
    ("space", "size"), [("nasbench201", 9), ("nasbench101", 7), ("transnas_micro", 8), ("nats_sss", 9), ("darts", 14)]
)
def test_the_vocabulary_holds_every_token(space: str, size: int) -> None:
    rng = random.Random(0)
    drawn = [SPACES[space].sample(rng) for _ in range(50)]
    tokens = Tokens(EncodingInputs(SPACES[space]))
    assert tokens.vocabulary == size
    assert tokens.rows(drawn, None).max() == size - 1


@pytest.mark.parametrize("text", ["onehot", "path", "tokens"])
def test_an_encoding_of_the_whole_cell_tells_all_cells_apart(text: str) -> None:
    """Of the cells without the two middle edges; paths identify cells only up to their function."""
    space = SPACES["nasbench201"]
    cells = space.architectures()
    assert cells is not None
    rows = encoder(text, "nasbench201").rows(cells[:3000])
    distinct = len(np.unique(rows, axis=0))
    assert distinct == 3000 if text != "path" else 2500 < distinct <= 3000


def test_encodings_stand_side_by_side() -> None:
    architectures = SPACES["nasbench201"].architectures()[:4]  # type: ignore[index]
    scores = {"synflow": dict(zip(architectures, [0.0, math.e - 1, 1 - math.e, math.nan], strict=True))}
    joined = encoder("measures+onehot", "nasbench201", scores=scores)
    rows = joined.rows(architectures)
    assert joined.columns[0] == "measures.synflow"
    assert rows[:3, 0] == pytest.approx([0, 1, -1])
    assert np.isnan(rows[3, 0])
    assert np.array_equal(rows[:, 1:], encoder("onehot", "nasbench201").rows(architectures))
    assert np.array_equal(joined.rows([*architectures[::-1]])[::-1], rows, equal_nan=True)


def test_the_statistics_of_a_curve() -> None:
    curves = Curves((1, 2, 3, 4), {"validation_accuracy": np.array([[10.0, 20.0, 40.0, 50.0]])})
    made = Encoder("curve", EncodingInputs())
    # differences 10 20 10; second differences 10 -10
    expected = [30, np.std([10, 20, 40, 50]), 40 / 3, np.std([10, 20, 10]), 0, 10]
    assert made.rows(["any"], curves)[0] == pytest.approx(expected)
    with pytest.raises(InputError, match="those of validation_accuracy with 3 points"):
        made.rows(["any"], curves.until(2))


def test_graf_is_the_features_of_the_space() -> None:
    space = SPACES["nasbench201"]
    features = space.features(CELL)
    made = encoder("graf", "nasbench201")
    named = dict(zip(made.columns, made.rows([CELL])[0].tolist(), strict=True))
    assert named == {f"graf.{name}": value for name, value in features.items()}


def test_words_learn_their_columns() -> None:
    made = Encoder("words", EncodingInputs())
    made.learn(["a-b", "b-b"])
    assert made.columns == ("words.0:a", "words.1:b", "words.0:b")
    assert made.rows(["a-c", "b-b"]).tolist() == [[1, 0, 0], [0, 1, 1]]
    made.learn(["c"])
    assert made.rows(["a-c", "c"]).tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("text", "space", "message"),
    [
        ("onehot+onehot", "nasbench201", "name each part once"),
        ("onehott", "nasbench201", "did you mean 'onehot'"),
        ("path", "nats_sss", "has no columns for nats_sss"),
        ("path_without_none", "nasbench101", "has no columns for nasbench101"),
        ("measures", "nasbench201", "scores must be given"),
    ],
)
def test_an_encoding_that_cannot_be_is_refused(text: str, space: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        encoder(text, space)


def test_an_encoding_without_its_space_is_refused() -> None:
    for name in set(ENCODINGS) - {"measures", "curve", "curve_end", "estimation_code", "words"}:
        with pytest.raises(InputError, match="give space"):
            Encoder(name, EncodingInputs())


@pytest.mark.parametrize(
    "space", ["nasbench201", "nasbench101", "darts", "transnas_micro", "transnas_macro", "nats_sss"]
)
def test_every_encoding_is_finite_and_pure(space: str) -> None:
    rng = random.Random(1)
    drawn = [SPACES[space].sample(rng) for _ in range(10)]
    with_paths = not ("macro" in space or "sss" in space)
    for name in ["onehot", "tokens", "graf", *["path"] * with_paths]:
        rows = encoder(name, space).rows(drawn)
        assert np.isfinite(rows).all()
        assert np.array_equal(rows, encoder(name, space).rows([*drawn[::-1]])[::-1])
