from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.spaces import SPACES
from eznas.spaces.graf import INPUT, CellGraph, cell_features
from eznas.spaces.nasbench201 import EDGES, from_operations, to_operations
from eznas.testing.spaces import check_features

GROUPS = ("skip", "pool", "conv")


def expect(features: dict[str, float], **values: float) -> None:
    assert {name: features[name] for name in values} == pytest.approx(values)


def test_a_cell_of_nasbench201_with_a_dead_end() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    features = SPACES["nasbench201"].features(text)
    assert len(features) == 4 + 15 * 5
    expect(features, count_conv_3x3=2, count_skip=1, count_conv_1x1=0, count_pool=0)
    expect(features, min_path_any=1, min_path_conv_3x3=2, min_path_conv_1x1=4, min_path_skip_pool=1)
    expect(features, max_on_path_any=2, max_on_path_conv_3x3=2, max_on_path_skip=1, max_on_path_pool=0)
    expect(features, out_degree_any=2, out_degree_conv_3x3=1, in_degree_any=2, in_degree_skip=1)
    expect(features, mean_degree_any=1, mean_degree_pool=0)


def test_a_full_cell_of_nasbench201() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    features = SPACES["nasbench201"].features(text)
    expect(features, count_conv_3x3=3, count_conv_1x1=2, count_pool=1, count_skip=0)
    expect(features, min_path_any=1, min_path_conv_3x3=3, min_path_conv_1x1=4, min_path_conv_1x1_conv_3x3=2)
    expect(features, max_on_path_any=3, max_on_path_conv_3x3=3, max_on_path_conv_1x1=1, max_on_path_pool=1)
    expect(features, out_degree_any=3, out_degree_conv_1x1=1, in_degree_any=3, in_degree_conv_1x1=1)
    expect(features, mean_degree_any=7 / 6, mean_degree_conv_3x3=4 / 3, mean_degree_skip=0)


def test_a_cell_of_nasbench201_without_a_path() -> None:
    features = SPACES["nasbench201"].features(from_operations(["none"] * 6))
    assert {value for name, value in features.items() if name.startswith("min_path")} == {4.0}
    assert {value for name, value in features.items() if not name.startswith("min_path")} == {0.0}


def test_cells_of_nasbench101() -> None:
    features = SPACES["nasbench101"].features("0111/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output")
    assert len(features) == 3 + 7 * 5
    expect(features, count_conv_3x3=1, count_conv_1x1=0, count_pool=1, min_path_any=0, min_path_conv_1x1=0)
    expect(features, max_on_path_any=1, max_on_path_conv_1x1=0, out_degree_any=2, in_degree_any=2, mean_degree_any=1)
    text = "01100/00110/00010/00001/00000 input,conv1x1-bn-relu,conv3x3-bn-relu,maxpool3x3,output"
    features = SPACES["nasbench101"].features(text)
    expect(features, count_conv_3x3=1, count_conv_1x1=1, count_pool=1)
    expect(features, min_path_any=2, min_path_conv_1x1_pool=2, min_path_conv_3x3_pool=2, min_path_conv_1x1=6)
    expect(features, max_on_path_any=3, max_on_path_conv_1x1_conv_3x3=2, out_degree_any=2, in_degree_any=1)
    expect(features, in_degree_pool=1, in_degree_conv_3x3=0, mean_degree_any=5 / 3, mean_degree_pool=2)


def test_cells_of_transnas_micro() -> None:
    features = SPACES["transnas_micro"].features("64-41414-3_02_110")
    assert len(features) == 3 + 7 * 5
    expect(features, count_conv_3x3=1, count_skip=2, count_conv_1x1=0)
    expect(features, min_path_any=1, min_path_conv_3x3=4, min_path_skip_conv_3x3=1, max_on_path_skip=1)
    expect(features, max_on_path_any=2, out_degree_any=2, out_degree_skip=1, in_degree_skip=2, mean_degree_any=1)
    features = SPACES["transnas_micro"].features("64-41414-2_13_002")
    expect(features, count_conv_3x3=1, count_skip=1, count_conv_1x1=2)
    expect(features, min_path_any=2, min_path_conv_1x1=4, min_path_conv_1x1_conv_3x3=3, min_path_skip_conv_1x1=2)
    expect(features, max_on_path_any=3, max_on_path_conv_1x1=2, out_degree_any=2, in_degree_any=1)
    expect(features, in_degree_conv_1x1=1, mean_degree_any=1.25, mean_degree_conv_1x1=1.5)


GENOTYPE = json.loads(
    """{
    "normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["max_pool_3x3", 0], ["dil_conv_3x3", 2],
               ["sep_conv_5x5", 1], ["sep_conv_3x3", 3], ["none", 0], ["skip_connect", 2]],
    "normal_concat": [2, 3, 4, 5],
    "reduce": [["skip_connect", 0], ["max_pool_3x3", 1], ["skip_connect", 0], ["skip_connect", 1],
               ["avg_pool_3x3", 0], ["avg_pool_3x3", 1], ["sep_conv_3x3", 2], ["none", 0]],
    "reduce_concat": [4, 5]
    }"""
)


def test_both_cells_of_darts() -> None:
    features = SPACES["darts"].features(json.dumps(GENOTYPE))
    assert len(features) == 2 * (4 + 15 * 5)
    normal = {name.removeprefix("normal_"): value for name, value in features.items() if name.startswith("normal_")}
    expect(normal, count_sep=3, count_skip=2, count_pool=1, count_dil=1)
    expect(normal, min_path_any=1, min_path_dil=5, min_path_sep=1, min_path_dil_sep=1)
    expect(normal, max_on_path_any=3, max_on_path_sep=2, max_on_path_skip=2, max_on_path_pool=1)
    expect(normal, out_degree_any=4, out_degree_sep=2, in_degree_any=7, mean_degree_any=10 / 7, mean_degree_sep=4 / 3)
    reduce = {name.removeprefix("reduce_"): value for name, value in features.items() if name.startswith("reduce_")}
    expect(reduce, count_sep=1, count_skip=1, count_pool=3, count_dil=0)  # without the node that nobody reads
    expect(reduce, min_path_any=1, min_path_sep=5, min_path_skip_sep=2, max_on_path_any=2, max_on_path_dil=0)
    expect(reduce, out_degree_any=4, in_degree_any=3, in_degree_pool=2, mean_degree_sep=2)


def test_sizes_are_features() -> None:
    features = SPACES["nats_sss"].features("64:32:8:48:16")
    expect(features, channels_1=64, channels_5=16, channels_sum=168, channels_min=8, channels_max=64)
    network = json.dumps({"genotype": GENOTYPE, "width": 16, "depth": 8})
    features = SPACES["nds_darts"].features(network)
    assert (features.pop("width"), features.pop("depth")) == (16.0, 8.0)
    assert features == SPACES["darts"].features(json.dumps(GENOTYPE))
    assert SPACES["nds_resnet"].features(SPACES["nds_resnet"].sample(random.Random(0))) == {}


def test_the_numbering_of_vertices_and_the_place_of_identities_do_not_count() -> None:
    space = SPACES["nasbench201"]
    swapped = {(0, 1): (0, 2), (0, 2): (0, 1), (1, 3): (2, 3), (2, 3): (1, 3), (0, 3): (0, 3), (1, 2): (1, 2)}
    rng = random.Random(3)
    for _ in range(50):
        given = dict(zip(EDGES, to_operations(space.sample(rng)), strict=True)) | {(1, 2): "none"}
        other = [given[swapped[edge]] for edge in EDGES]
        assert space.features(from_operations(list(given.values()))) == space.features(from_operations(other))
    early = "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
    late = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
    assert space.features(early) == space.features(late)


@st.composite
def graphs(draw: st.DrawFn) -> CellGraph:
    count = draw(st.integers(0, 6))
    subsets = [list(range(INPUT, index)) for index in range(count + 1)]
    reads = [tuple(sorted(draw(st.sets(st.sampled_from(earlier))))) for earlier in subsets]
    return CellGraph(tuple(draw(st.sampled_from(GROUPS)) for _ in range(count)), tuple(reads[:-1]), reads[-1])


def paths(graph: CellGraph) -> list[list[int]]:
    """Enumerate the paths from the input to the output, as lists of operations."""
    ready = []
    growing = [[index] for index in graph.output]
    while growing:
        path = growing.pop()
        if path[0] == INPUT:
            ready.append(path[1:])
        else:
            growing += [[before, *path] for before in graph.reads[path[0]]]
    return ready


@settings(deadline=None, max_examples=200)
@given(graphs())
def test_paths_are_those_of_an_enumeration(graph: CellGraph) -> None:
    features = cell_features(graph, GROUPS, 6)
    every = [[graph.operations[index] for index in path] for path in paths(graph)]
    live = {index for path in paths(graph) for index in path}
    for group in GROUPS:
        assert features[f"count_{group}"] == sum(graph.operations[index] == group for index in live)
    for size in (1, 2, 3):
        for subset in itertools.combinations(GROUPS, size):
            name = "any" if size == 3 else "_".join(subset)
            inside = [len(path) for path in every if set(path) <= set(subset)]
            assert features[f"min_path_{name}"] == min(inside, default=7)
            most = max((sum(group in subset for group in path) for path in every), default=0)
            assert features[f"max_on_path_{name}"] == most
            first = {path[0] for path in paths(graph) if path and graph.operations[path[0]] in subset}
            last = {path[-1] for path in paths(graph) if path and graph.operations[path[-1]] in subset}
            assert (features[f"out_degree_{name}"], features[f"in_degree_{name}"]) == (len(first), len(last))


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        (lambda text: {f"n{text.count('none')}": 1.0}, "must have the features of other architectures"),
        (lambda _: {"Count": 1.0}, "names of features must be made of"),
        (lambda _: {"n": float("inf")}, "must be finite"),
        (lambda text: {"n": float(text.count("none"))}, "so its features must be equal"),
    ],
)
def test_the_suite_notices_broken_features(features: object, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space = SPACES["nasbench201"]
    monkeypatch.setattr(type(space), "features", lambda _, text: features(text))  # type: ignore[operator]
    rng = random.Random(0)
    with pytest.raises(AssertionError, match=sentence):
        check_features(space, [space.sample(rng) for _ in range(20)])


def test_macro_structures() -> None:
    features = SPACES["transnas_macro"].features("64-1423-basic")
    expect(features, layers=4, count_1=1, count_4=1, doublings_1=0, doublings_2=1, doublings_3=2, doublings_6=2)
    expect(features, halvings_1=0, halvings_2=1, halvings_3=1, halvings_4=2, halvings_5=2)
    features = SPACES["nasbench_macro"].features("01201221")
    expect(features, identity_all=2, mb3_all=3, mb6_all=3, identity_stage_1=1, mb3_stage_1=1, mb6_stage_1=0)
    expect(features, mb6_stage_2=1, identity_stage_2=1, mb3_stage_2=1, mb6_stage_3=2, mb3_stage_3=1)
