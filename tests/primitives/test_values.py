"""Every primitive on a tensor small enough to work the value out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from eznas import primitives
from eznas.primitives import Kind, Primitive

W, X, S, U, N = Kind.WEIGHT, Kind.INPUT, Kind.SAMPLES, Kind.UNIT, Kind.NETWORK
LN2, LN3 = math.log(2), math.log(3)


def maps(*values: Any) -> list[Any]:
    """One unit, one row, one channel and the maps given as nested lists."""
    return [[[value] for value in values]]


A = maps([[1, 2], [3, 4]])  # determinant -2
B = maps([[2, 0], [0, 4]])  # determinant 8
SIGNED = maps([[-1, 0], [2, 3]])
TWO_SAMPLES = [[[[[1.0, -1.0, 3.0]]], [[[2.0, 0.0, -2.0]]]]]  # 1 x 2 x 1 x 1 x 3
AXES = [[[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[[1, 0], [0, 0]], [[0, 0], [0, -9]]]]]  # 1 x 2 x 2 x 2 x 2
K = [[[2, 1], [1, 2]]]  # eigenvalues 3 and 1

CASES: list[tuple[str, list[Kind], list[Any], Any]] = [
    ("add", [U, U], [[1, 2], [3, 5]], [4, 7]),
    ("sub", [U, U], [[1, 2], [3, 5]], [-2, -3]),
    ("mul", [U, U], [[1, 2], [3, 5]], [3, 10]),
    ("div", [U, U], [[1, 2], [4, 5]], [0.25, 0.4]),
    ("safe_div", [U, U], [[1, 2, 0], [4, 0, 0]], [0.25, 0, 0]),
    ("maximum", [U, U], [[1, 7], [3, 5]], [3, 7]),
    ("minimum", [U, U], [[1, 7], [3, 5]], [1, 5]),
    ("neg", [U], [[1, -2]], [-1, 2]),
    ("abs", [U], [[1, -2]], [1, 2]),
    ("square", [U], [[3, -2]], [9, 4]),
    ("sqrt", [U], [[9, 4]], [3, 2]),
    ("power", [U, Kind.LITERAL], [[8, -2], 3.0], [512, -8]),
    ("scale", [U, Kind.LITERAL], [[8, -2], -0.5], [-4, 1]),
    ("reciprocal", [U], [[4, -2]], [0.25, -0.5]),
    ("exp", [U], [[0, LN2]], [1, 2]),
    ("log", [U], [[1, 2]], [0, LN2]),
    ("safe_log", [U], [[-3, 0, 1, 2]], [0, 0, 0, LN2]),
    ("abs_log", [U], [[-2, 1]], [LN2, 0]),
    ("log1p", [U], [[0, 1]], [0, LN2]),
    ("relu", [U], [[-3, 0, 2]], [0, 0, 2]),
    ("at_least", [U, Kind.LITERAL], [[-3, 0, 2], -1.0], [-1, 0, 2]),
    ("at_most", [U, Kind.LITERAL], [[-3, 0, 2], 1.0], [-3, 0, 1]),
    ("sigmoid", [U], [[0, LN3]], [0.5, 0.75]),
    ("sign", [U], [[-3, 0, 2]], [-1, 0, 1]),
    ("heaviside", [U], [[-3, 0, 2]], [0, 0, 1]),
    ("ones_like", [X], [A], maps([[1, 1], [1, 1]])),
    ("zeros_like", [X], [A], maps([[0, 0], [0, 0]])),
    ("normalize", [X], [maps([[1, 1], [3, 3]])], maps([[-1, -1], [1, 1]])),
    ("normalize", [U], [[2, 4]], [-1, 1]),
    # channels 0 and ln 3 of one sample: e^0 : e^(ln 3) = 1 : 3
    ("softmax", [X], [[[[[[0.0]], [[LN3]]]]], ], [[[[[0.25]], [[0.75]]]]]),
    ("softmax", [U], [[0, LN3]], [0.25, 0.75]),
    ("lt", [U, U], [[1, 2, 3], [2, 2, 2]], [1, 0, 0]),
    ("gt", [U, U], [[1, 2, 3], [2, 2, 2]], [0, 0, 1]),
    ("eq", [U, U], [[1, 2, 3], [2, 2, 2]], [0, 1, 0]),
    ("lt0", [U], [[-1, 0, 1]], [1, 0, 0]),
    ("gt0", [U], [[-1, 0, 1]], [0, 0, 1]),
    ("sum", [X], [SIGNED], [4]),
    ("mean", [X], [SIGNED], [1]),
    ("max", [X], [SIGNED], [3]),
    ("min", [X], [SIGNED], [-1]),
    ("variance", [X], [SIGNED], [2.5]),
    ("std", [X], [SIGNED], [math.sqrt(2.5)]),
    ("l1", [X], [SIGNED], [1.5]),
    ("sum_abs", [X], [SIGNED], [6]),
    ("frobenius_norm", [X], [SIGNED], [math.sqrt(14)]),
    ("mean_square", [X], [SIGNED], [3.5]),
    ("lp_norm", [X, Kind.LITERAL], [SIGNED, 3.0], [36 ** (1 / 3)]),
    ("numel", [X], [SIGNED], [4]),
    ("sparsity", [X], [SIGNED], [0.25]),
    ("fraction_positive", [X], [SIGNED], [0.5]),
    ("count_positive", [X], [SIGNED], [2]),
    ("entropy", [X], [maps([[1, -1], [0, 2]])], [1.5 * LN2]),
    ("quantile", [X, Kind.LITERAL], [SIGNED, 0.5], [1]),
    ("quantile", [X, Kind.LITERAL], [SIGNED, 0.9], [2.7]),
    ("mean_over_samples", [X], [AXES], [[[[[1, 1], [1.5, 2]], [[2.5, 3], [3.5, -0.5]]]]]),
    ("std_over_samples", [X], [AXES], [[[[[0, 1], [1.5, 2]], [[2.5, 3], [3.5, 8.5]]]]]),
    ("sum_over_samples", [X], [AXES], [[[[[2, 2], [3, 4]], [[5, 6], [7, -1]]]]]),
    ("max_over_samples", [X], [AXES], [[[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]]),
    ("l2_over_samples", [X], [AXES], [[[[[2**0.5, 2], [3, 4]], [[5, 6], [7, 145**0.5]]]]]),
    ("mean_over_filters", [W], [AXES], [[[[[1, 1], [1.5, 2]], [[2.5, 3], [3.5, -0.5]]]]]),
    ("std_over_filters", [W], [AXES], [[[[[0, 1], [1.5, 2]], [[2.5, 3], [3.5, 8.5]]]]]),
    ("sum_over_filters", [W], [AXES], [[[[[2, 2], [3, 4]], [[5, 6], [7, -1]]]]]),
    ("max_over_filters", [W], [AXES], [[[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]]),
    ("l2_over_filters", [W], [AXES], [[[[[2**0.5, 2], [3, 4]], [[5, 6], [7, 145**0.5]]]]]),
    ("mean_over_channels", [X], [AXES], [[[[[3, 4], [5, 6]]], [[[0.5, 0], [0, -4.5]]]]]),
    ("std_over_channels", [X], [AXES], [[[[[2, 2], [2, 2]]], [[[0.5, 0], [0, 4.5]]]]]),
    ("sum_over_channels", [X], [AXES], [[[[[6, 8], [10, 12]]], [[[1, 0], [0, -9]]]]]),
    ("max_over_channels", [X], [AXES], [[[[[5, 6], [7, 8]]], [[[1, 0], [0, 0]]]]]),
    ("l2_over_channels", [X], [AXES], [[[[[26**0.5, 40**0.5], [58**0.5, 80**0.5]]], [[[1, 0], [0, 9]]]]]),
    ("mean_over_space", [X], [AXES], [[[[[2.5]], [[6.5]]], [[[0.25]], [[-2.25]]]]]),
    ("std_over_space", [X], [AXES], [[[[[1.25**0.5]], [[1.25**0.5]]], [[[3**0.5 / 4]], [[9 * 3**0.5 / 4]]]]]),
    ("sum_over_space", [X], [AXES], [[[[[10]], [[26]]], [[[1]], [[-9]]]]]),
    ("max_over_space", [X], [AXES], [[[[[4]], [[8]]], [[[1]], [[0]]]]]),
    ("l2_over_space", [X], [AXES], [[[[[30**0.5]], [[174**0.5]]], [[[1]], [[9]]]]]),
    ("det", [X], [[A[0] + B[0]]], maps([[-2]], [[8]])),
    ("logdet", [X], [[A[0] + B[0]]], maps([[0]], [[3 * LN2]])),
    # the symmetric part 1, 2.5; 2.5, 4 has 2.5 plus and minus half the root of 34
    ("sym_eig_ratio", [X], [A], maps([[(34**0.5 + 5) / (34**0.5 - 5)]])),
    # the two eigenvalues are 2.5 plus and minus half the root of 33
    ("eig_ratio", [X], [A], maps([[(33**0.5 + 5) / (33**0.5 - 5)]])),
    # a rotation by a quarter turn has the eigenvalues i and -i
    ("eig_ratio", [X], [maps([[0, -1], [1, 0]])], maps([[1]])),
    ("matmul", [X, X], [A, B], maps([[2, 8], [6, 16]])),
    ("matmul", [S, S], [K, [[[1, 1], [0, 1]]]], [[[2, 3], [1, 3]]]),
    ("gram", [X], [TWO_SAMPLES], [[[11 / 3, -4 / 3], [-4 / 3, 8 / 3]]]),
    # centred: (0, -2, 2) and (2, 0, -2), both of squared length 8, scalar product -4
    ("correlation", [X], [TWO_SAMPLES], [[[1, -0.5], [-0.5, 1]]]),
    ("sign_kernel", [X], [TWO_SAMPLES], [[[3, 2], [2, 3]]]),
    ("trace", [S], [K], [4]),
    ("off_diagonal_mean", [S], [[[[2, 1], [5, 2]]]], [3]),
    ("logdet", [S], [[[[1, 2], [2, 1]]]], [LN3]),
    ("logdet_jitter", [S, Kind.LITERAL], [K, 1.0], [3 * LN2]),
    ("condition_number", [S], [[[[1, 2], [2, 1]]]], [3]),
    # singular values 4 and 2: shares 2/3 and 1/3
    ("effective_rank", [S], [[[[0, 4], [2, 0]]]], [3 / 2 ** (2 / 3)]),
    ("stable_rank", [S], [[[[0, 4], [2, 0]]]], [1.25]),
    ("nuclear_norm", [S], [[[[0, 4], [2, 0]]]], [6]),
    ("spectral_norm", [S], [[[[0, 4], [2, 0]]]], [4]),
    # the one row (1, 2, 3, 4) of the unit
    ("spectral_norm", [W], [A], [30**0.5]),
    ("effective_rank", [W], [A], [1]),
    ("dot", [X, X], [A, SIGNED], [17]),
    ("channel_dot", [X, X], [A, SIGNED], maps([[17]])),
    ("cosine_similarity", [X, X], [A, SIGNED], [17 / math.sqrt(30 * 14)]),
    ("hamming_distance", [X, X], [A, SIGNED], [2]),
    # two samples: (1 log 1 - 1 x 0) and (2 log 2 - 2 x 3)
    ("kl_div", [X, X], [[[[[[0]]], [[[3]]]]], [[[[[1]]], [[[2]]]]]], [LN2 - 3]),
    ("mean", [U], [[1, 2, 6]], 3),
    ("sum", [U], [[1, 2, 6]], 9),
    ("max", [U], [[1, 2, 6]], 6),
    ("min", [U], [[1, 2, 6]], 1),
    ("std", [U], [[1, 2, 6]], math.sqrt(14 / 3)),
    ("sum_log", [U], [[1, 2, 6]], math.log(12)),
    ("log_sum", [U], [[1, 2, 6]], math.log(9)),
    ("median", [U], [[6, 1, 2]], 2),
    ("median", [U], [[6, 1, 2, 4]], 3),
    ("first", [U], [[1, 2, 6]], 1),
    ("last", [U], [[1, 2, 6]], 6),
    ("l2_norm", [U], [[1, 2, 6]], math.sqrt(41)),
    ("mean_abs_difference", [U], [[6, 1, 2]], 3),
    ("slope", [U], [[1, 2, 6]], 2.5),
    ("count", [U], [[1, 2, 6]], 3),
    ("depth_difference", [U], [[1, 2, 6]], [0, 1, 4]),
    ("cumulative_sum", [U], [[1, 2, 6]], [1, 3, 9]),
    ("add", [N, N], [2, 3], 5),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "kinds", "args", "expected"),
    CASES,
    ids=[f"{case[0]}-{'-'.join(kind.value for kind in case[1])}-{index}" for index, case in enumerate(CASES)],
)
def test_value_by_hand(name: str, kinds: list[Kind], args: list[Any], expected: Any, dtype: torch.dtype) -> None:
    function = primitives.resolve(name, kinds)[0].function
    given = [
        value if kind is Kind.LITERAL else torch.tensor(value, dtype=dtype)
        for kind, value in zip(kinds, args, strict=True)
    ]
    tolerance = 2e-6 if dtype == torch.float32 else 1e-12
    wanted = torch.tensor(expected, dtype=dtype)
    torch.testing.assert_close(function(*given), wanted, rtol=tolerance, atol=tolerance)


def test_every_primitive_has_a_value_by_hand() -> None:
    covered = {id(primitives.resolve(name, kinds)[0]) for name, kinds, _, _ in CASES}
    missing: list[Primitive] = [record for record in primitives.all_primitives() if id(record) not in covered]
    assert [f"{record.name} of {record.family}" for record in missing] == []
