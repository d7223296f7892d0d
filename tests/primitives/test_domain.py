"""What happens at the edges of each domain, as the records say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from eznas import primitives
from eznas.primitives import MAP_KINDS, TENSOR_KINDS, Kind

W, X, S, U = Kind.WEIGHT, Kind.INPUT, Kind.SAMPLES, Kind.UNIT
INF, NAN = math.inf, math.nan

ENTRIES: list[tuple[str, list[list[float]], list[float]]] = [
    ("div", [[1, -1, 0, INF], [0, 0, 0, INF]], [INF, -INF, NAN, NAN]),
    ("safe_div", [[1, -1, 0, NAN, INF, 1], [0, 0, 0, 0, 0, NAN]], [0, 0, 0, NAN, NAN, NAN]),
    ("maximum", [[NAN, 1, INF], [1, NAN, 2]], [NAN, NAN, INF]),
    ("minimum", [[NAN, 1, -INF], [1, NAN, 2]], [NAN, NAN, -INF]),
    ("sqrt", [[-1, 0, INF, NAN]], [NAN, 0, INF, NAN]),
    ("reciprocal", [[0, -0.0, INF, NAN]], [INF, -INF, 0, NAN]),
    ("exp", [[-INF, INF, 1000, NAN]], [0, INF, INF, NAN]),
    ("log", [[-1, 0, INF, NAN]], [NAN, -INF, INF, NAN]),
    ("safe_log", [[-INF, -1, 0, INF, NAN]], [0, 0, 0, INF, NAN]),
    ("abs_log", [[-1, 0, -INF, NAN]], [0, -INF, INF, NAN]),
    ("log1p", [[-2, -1, 0, INF, NAN]], [NAN, -INF, 0, INF, NAN]),
    ("relu", [[-INF, INF, NAN]], [0, INF, NAN]),
    ("sigmoid", [[-INF, INF, NAN]], [0, 1, NAN]),
    ("sign", [[-INF, INF, 0, NAN]], [-1, 1, 0, NAN]),
    ("heaviside", [[-INF, 0, INF, NAN]], [0, 0, 1, 0]),
    ("lt", [[NAN, 1, -INF], [1, NAN, INF]], [0, 0, 1]),
    ("gt", [[NAN, 1, INF], [1, NAN, -INF]], [0, 0, 1]),
    ("eq", [[NAN, INF, -INF], [NAN, INF, INF]], [0, 1, 0]),
    ("lt0", [[NAN, -INF, INF]], [0, 1, 0]),
    ("gt0", [[NAN, -INF, INF]], [0, 0, 1]),
    ("normalize", [[3, 3, 3]], [0, 0, 0]),
    ("normalize", [[1, 2, INF]], [NAN, NAN, NAN]),
    ("normalize", [[1, 2, NAN]], [NAN, NAN, NAN]),
    ("normalize", [[1e-200, 3e-200]], [-1, 1]),
    ("normalize", [[-1e300, 1e300]], [-1, 1]),
    ("softmax", [[1, INF]], [NAN, NAN]),
    ("softmax", [[1, -INF]], [1, 0]),
    ("softmax", [[-INF, -INF]], [NAN, NAN]),
    ("depth_difference", [[INF, INF, 1]], [NAN, NAN, -INF]),
    ("depth_difference", [[NAN, 2, 3]], [NAN, NAN, 1]),
    ("cumulative_sum", [[1, NAN, 3]], [1, NAN, NAN]),
]

NETWORKS: list[tuple[str, list[float], float]] = [
    *((name, [1.0, NAN, 3.0], NAN) for name in (
        "mean", "sum", "max", "min", "std", "sum_log", "log_sum", "median", "l2_norm", "mean_abs_difference",
        "slope",
    )),
    ("first", [1, NAN], 1),
    ("last", [NAN, 1], 1),
    ("count", [NAN, NAN], 2),
    *((name, [5.0], 0.0) for name in ("std", "mean_abs_difference", "slope")),
    *((name, [NAN], NAN) for name in ("std", "mean_abs_difference", "slope", "median")),
    ("std", [0.1, 0.1, 0.1], 0),
    ("std", [1, INF], NAN),
    ("sum_log", [1, 0], -INF),
    ("sum_log", [1, -1], NAN),
    ("log_sum", [1, -1], -INF),
    ("log_sum", [1, -2], NAN),
    ("median", [INF, INF], INF),
    ("median", [INF, -INF], NAN),
    ("max", [1, INF], INF),
    ("slope", [1, INF, 2], NAN),
]  # fmt: skip

MAP = [[[[[1.0, 2.0], [3.0, 4.0]]]]]
ZERO = [[[[[0.0, 0.0], [0.0, 0.0]]]]]
SINGULAR = [[[[[1.0, 1.0], [1.0, 1.0]]]]]
REDUCTIONS: list[tuple[str, Kind, list[Any], float]] = [
    *((name, X, [ZERO], 0) for name in (
        "entropy", "effective_rank", "stable_rank", "nuclear_norm", "spectral_norm", "std", "variance",
        "lp_norm",
    )),
    *((name, S, [[[[0.0, 0.0], [0.0, 0.0]]]], value) for name, value in (
        ("logdet", -INF), ("condition_number", NAN), ("trace", 0), ("off_diagonal_mean", 0),
        ("effective_rank", 0),
    )),
    ("logdet", S, [[[[1.0, 1.0], [1.0, 1.0]]]], -INF),
    ("condition_number", S, [[[[1.0, 0.0], [0.0, 0.0]]]], INF),
    ("off_diagonal_mean", S, [[[[7.0]]]], 0),
    ("off_diagonal_mean", S, [[[[INF, 2.0], [2.0, NAN]]]], 2),
    ("logdet", S, [[[[INF, 1.0], [1.0, 1.0]]]], NAN),
    ("condition_number", S, [[[[NAN, 1.0], [1.0, 1.0]]]], NAN),
    ("sparsity", X, [[[[[[0.0, -0.0, NAN, 1e-30]]]]]], 0.5),
    ("count_positive", X, [[[[[[0.0, INF, NAN, 1e-30]]]]]], 2),
    ("fraction_positive", X, [[[[[[0.0, INF, NAN, 1e-30]]]]]], 0.5),
    ("numel", X, [[[[[[NAN, INF]]]]]], 2),
    ("entropy", X, [[[[[[1.0, INF]]]]]], NAN),
    ("quantile", X, [[[[[[-INF, INF]]]]]], NAN),
    ("quantile", X, [[[[[[-INF, 1.0]]]]]], -INF),
    ("quantile", X, [[[[[[1.0, INF]]]]]], INF),
    ("quantile", X, [[[[[[INF, INF]]]]]], INF),
    ("quantile", X, [[[[[[NAN, INF]]]]]], NAN),
    ("quantile", X, [[[[[[2.0, 12.0, INF, INF, INF, INF]]]]]], 7),
    ("std", X, [[[[[[1.0, INF]]]]]], NAN),
    ("max", X, [[[[[[1.0, INF]]]]]], INF),
    ("cosine_similarity", X, [ZERO, MAP], 0),
    ("cosine_similarity", X, [MAP, MAP], 1),
    ("hamming_distance", X, [[[[[[NAN, 1.0]]]]], [[[[[0.0, 1.0]]]]]], 0),
    ("kl_div", X, [MAP, ZERO], 0),
    ("kl_div", X, [[[[[[INF]]]]], [[[[[0.0]]]]]], NAN),
    ("kl_div", X, [[[[[[1.0]]]]], [[[[[-1.0]]]]]], NAN),
    ("kl_div", X, [[[[[[0.0]]]]], [[[[[INF]]]]]], NAN),
    ("kl_div", X, [[[[[[1.0]]]]], [[[[[INF]]]]]], NAN),
    ("kl_div", X, [[[[[[-1.0]]]]], [[[[[INF]]]]]], INF),
    ("kl_div", X, [[[[[[INF, -INF]]]]], [[[[[1.0, 1.0]]]]]], NAN),
]  # fmt: skip


def call(name: str, kind: Kind, args: list[Any], dtype: torch.dtype = torch.float64) -> Tensor:
    """Apply a primitive to nested lists, with its first choice for a literal."""
    tensors = [torch.tensor(arg, dtype=dtype) for arg in args]
    record = next(one for one in primitives.overloads(name) if any(s.args[0] is kind for s in one.signatures))
    literals = [record.parameter.choices[0]] if record.parameter else []
    return record.function(*tensors, *literals)


def assert_same(got: Tensor, expected: Any) -> None:
    torch.testing.assert_close(got, torch.tensor(expected, dtype=got.dtype), rtol=1e-12, atol=1e-15, equal_nan=True)


@pytest.mark.parametrize(("name", "args", "expected"), ENTRIES)
def test_entries_at_the_edge(name: str, args: list[list[float]], expected: list[float]) -> None:
    function = primitives.resolve(name, [U] * len(args))[0].function
    assert_same(function(*(torch.tensor(arg, dtype=torch.float64) for arg in args)), expected)


@pytest.mark.parametrize(("name", "arg", "expected"), NETWORKS)
def test_aggregations_at_the_edge(name: str, arg: list[float], expected: float) -> None:
    assert_same(primitives.resolve(name, [U])[0].function(torch.tensor(arg, dtype=torch.float64)), expected)


@pytest.mark.parametrize(("name", "kind", "args", "expected"), REDUCTIONS)
def test_reductions_at_the_edge(name: str, kind: Kind, args: list[Any], expected: float) -> None:
    assert_same(call(name, kind, args), [expected])


@pytest.mark.parametrize(("entries", "q", "expected"), [([-INF, 1.0], 0.1, -INF), ([1.0, INF], 0.9, INF)])
def test_quantiles_beside_an_infinity(entries: list[float], q: float, expected: float) -> None:
    quantile = primitives.resolve("quantile", [X, Kind.LITERAL])[0].function
    assert_same(quantile(torch.tensor(entries).view(1, 1, 1, 1, 2), q), [expected])


@pytest.mark.parametrize(
    ("x", "p", "expected"), [(-8.0, 3.0, -512), (-8.0, 0.5, NAN), (0.0, -1.0, INF), (0.0, 0.0, 1), (INF, -1.0, 0)]
)
def test_powers_at_the_edge(x: float, p: float, expected: float) -> None:
    assert_same(
        primitives.resolve("power", [U, Kind.LITERAL])[0].function(torch.tensor([x], dtype=torch.float64), p),
        [expected],
    )


@pytest.mark.parametrize(
    ("name", "zero", "singular"),
    [("det", 0, 0), ("logdet", 0, 0), ("sym_eig_ratio", NAN, INF), ("eig_ratio", NAN, INF)],
)
def test_singular_maps(name: str, zero: float, singular: float) -> None:
    diagonal = [[[[[5.0, 0.0], [0.0, 0.0]]]]]
    assert_same(call(name, X, [ZERO]), [[[[[zero]]]]])
    assert_same(call(name, X, [diagonal]), [[[[[singular]]]]])


@pytest.mark.parametrize("name", ["det", "logdet", "sym_eig_ratio", "eig_ratio"])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_map_that_is_not_finite_gives_nan_and_spares_the_others(name: str, bad: float) -> None:
    x = torch.eye(3).repeat(1, 1, 2, 1, 1)
    x[0, 0, 0, 1, 2] = bad
    got = primitives.resolve(name, [X])[0].function(x).flatten()
    assert got[0].isnan()
    assert got[1] == (0 if name == "logdet" else 1)


@pytest.mark.parametrize("kind", MAP_KINDS)
def test_singular_maps_that_are_not_square(kind: Kind) -> None:
    x = torch.ones(2, 3, 4, 2, 3)
    for name, expected in (("det", 0), ("logdet", 0), ("sym_eig_ratio", INF), ("eig_ratio", INF)):
        got = primitives.resolve(name, [kind])[0].function(x)
        assert got.shape == (2, 3, 4, 1, 1)
        assert (got == expected).all(), name


def test_a_product_with_reduced_maps_that_are_not_square() -> None:
    matmul = primitives.resolve("matmul", [X, X])[0].function
    got = matmul(torch.ones(2, 1, 4, 2, 3), torch.full((2, 3, 1, 1, 1), 2.0))
    assert got.shape == (2, 3, 4, 2, 3)
    assert (got == 3 * 2 * 2 * 2).all()  # of ones: A B^T has the entries 3, A B^T B has 2 times these


def test_a_reduced_map_is_a_matrix_of_one_entry() -> None:
    x = torch.tensor([-3.0, 0.0, 2.0]).view(1, 1, 3, 1, 1)
    assert call("det", X, [x.tolist()]).flatten().tolist() == [-3, 0, 2]
    assert call("logdet", X, [x.tolist()]).flatten().tolist() == pytest.approx([0, 0, math.log(2)])
    assert_same(call("eig_ratio", X, [x.tolist()]).flatten(), [1, NAN, 1])


@pytest.mark.parametrize("name", ["effective_rank", "stable_rank", "nuclear_norm", "spectral_norm"])
@pytest.mark.parametrize("kind", TENSOR_KINDS)
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_unit_that_is_not_finite_gives_nan_and_spares_the_others(name: str, kind: Kind, bad: float) -> None:
    x = torch.eye(3).repeat(2, 1, 1) if kind is S else torch.eye(3).view(1, 3, 3, 1, 1).repeat(2, 1, 1, 1, 1)
    x[0].view(-1)[1] = bad
    got = primitives.resolve(name, [kind])[0].function(x)
    assert got[0].isnan()
    assert got[1] == pytest.approx({"spectral_norm": 1}.get(name, 3))


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-30, 3e37, 16777216.0])
@pytest.mark.parametrize("name", ["std", "variance", "normalize", "std_over_channels", "std_over_space", "correlation"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_constant_varies_by_exactly_nothing(name: str, value: float, dtype: torch.dtype) -> None:
    x = torch.full((2, 7, 5, 3, 3), value, dtype=dtype)
    assert (primitives.resolve(name, [X])[0].function(x) == 0).all()


def test_a_constant_sample_correlates_with_nothing() -> None:
    x = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    x[0, 1] = 0.1
    got = call("correlation", X, [x.tolist()], torch.float32)[0]
    assert (got[1] == 0).all()
    assert (got[:, 1] == 0).all()
    assert got[0, 0] == pytest.approx(1)


def test_an_undefined_sample_spares_the_other_pairs() -> None:
    x = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    x[0, 1, 0, 0, 0] = NAN
    for name in ("gram", "correlation"):
        got = primitives.resolve(name, [X])[0].function(x)[0]
        assert got[1].isnan().all()
        assert got[0, 2].isfinite()


def test_sums_that_overflow_are_infinite_and_their_shares_undefined() -> None:
    x = torch.full((1, 2, 1, 1, 1), 3e38)
    for name, expected in (("sum", INF), ("frobenius_norm", INF), ("mean_square", INF), ("entropy", NAN)):
        assert_same(primitives.resolve(name, [X])[0].function(x), [expected])


def test_tiny_gradients_keep_their_scores() -> None:
    x = torch.randn(1, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    tiny = x * 1e-25
    for name in ("normalize", "effective_rank", "stable_rank", "correlation", "eig_ratio", "entropy"):
        function = primitives.resolve(name, [X])[0].function
        torch.testing.assert_close(function(tiny), function(x), rtol=1e-3, atol=1e-4)


BLIND_TO_NAN = {
    *("heaviside", "lt", "gt", "eq", "lt0", "gt0", "ones_like", "zeros_like"),
    *("numel", "sparsity", "fraction_positive", "count_positive", "hamming_distance", "sign_kernel", "count"),
}


@pytest.mark.parametrize("name", sorted({record.name for record in primitives.all_primitives()}))
def test_nan_is_passed_on_except_where_the_record_says_otherwise(name: str) -> None:
    shapes = {**dict.fromkeys(MAP_KINDS, (1, 3, 2, 4, 4)), S: (1, 3, 3), U: (3,), Kind.NETWORK: ()}
    for record in primitives.overloads(name):
        assert ("everywhere; " in record.domain) == (name in BLIND_TO_NAN)
        for signature in record.signatures:
            args: list[Any] = [
                record.parameter.choices[-1]
                if kind is Kind.LITERAL and record.parameter
                else torch.full(shapes[kind], 0.5)
                for kind in signature.args
            ]
            args[0].view(-1)[-1 if name == "last" else 0] = NAN
            if name == "off_diagonal_mean":
                args[0][0, 0, 1] = NAN
            out = record.function(*args)
            assert bool(out.isnan().any()) == (name not in BLIND_TO_NAN), signature
