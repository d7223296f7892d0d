"""Linear algebra against a naive computation in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from eznas import primitives
from eznas.primitives import STATISTICS, Kind, spectral


def function(name: str, kind: Kind, x: Tensor, *literal: float) -> Tensor:
    found, _ = primitives.resolve(name, [kind, *(Kind.LITERAL for _ in literal)])
    return found.function(x, *literal)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def low_rank(rank: int, *shape: int) -> Tensor:
    columns = int(np.prod(shape[2:]))
    factors = normal(shape[0], shape[1], rank), normal(shape[0], rank, columns, seed=1)
    return (factors[0] @ factors[1]).reshape(shape)


def graded(*shape: int) -> Tensor:
    """Singular values from 1 down to 1e-6."""
    columns = int(np.prod(shape[2:]))
    left = torch.linalg.qr(normal(shape[0], shape[1], shape[1], dtype=torch.float64)).Q
    right = torch.linalg.qr(normal(shape[0], columns, shape[1], seed=1, dtype=torch.float64)).Q
    values = torch.logspace(0, -6, shape[1], dtype=torch.float64)
    matrix: Tensor = left * values @ right.mT
    return matrix.reshape(shape).float()


MATRICES = {
    "square weights": normal(3, 8, 8, 1, 1),
    "weights": normal(3, 8, 4, 3, 3),
    "depthwise weights": normal(3, 20, 1, 3, 3),
    "activations": normal(2, 6, 5, 32, 32).relu(),
    "more samples than entries": normal(2, 40, 3, 2, 2),
    "equal samples": normal(2, 1, 3, 4, 4).expand(2, 5, 3, 4, 4),
    "rank 2": low_rank(2, 2, 8, 5, 3, 3),
    "graded": graded(2, 7, 5, 3, 3),
    "tiny": 1e-20 * normal(2, 6, 5, 3, 3),
    "huge": 1e18 * normal(2, 6, 5, 3, 3),
    "one zero unit": normal(2, 6, 5, 3, 3) * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1),
}


@pytest.mark.parametrize("x", MATRICES.values(), ids=MATRICES.keys())
def test_agrees_with_singular_values_in_double_precision(x: Tensor) -> None:
    values = torch.linalg.svdvals(x.flatten(2).double())
    share = values / values.sum(1, keepdim=True)
    largest = values[:, 0]
    zero = largest == 0
    expected = {
        "effective_rank": torch.where(zero, 0, torch.special.entr(share).sum(1).exp()),
        "stable_rank": torch.where(zero, 0, (values / largest[:, None]).square().sum(1)),
        "nuclear_norm": values.sum(1),
        "spectral_norm": largest,
    }
    for name, wanted in expected.items():
        for given in (x, x.double()):
            got = function(name, Kind.WEIGHT, given)
            assert torch.allclose(got.double(), wanted, rtol=2e-6, atol=0.0), (name, got, wanted)


def test_effective_rank_counts_equal_singular_values() -> None:
    x = torch.linalg.qr(normal(2, 12, 5, dtype=torch.float64)).Q
    torch.testing.assert_close(function("effective_rank", Kind.WEIGHT, x.view(2, 12, 5, 1, 1)), x.new_full((2,), 5.0))


def naive_gram(x: np.ndarray) -> np.ndarray:
    rows = x.reshape(len(x), -1).astype(np.float64)
    return np.array([[np.dot(a, b) / len(a) for b in rows] for a in rows])


def naive_sign_kernel(x: np.ndarray) -> np.ndarray:
    codes = x.reshape(len(x), -1) > 0
    return np.array([[np.sum(a == b) for b in codes] for a in codes], dtype=np.float64)


def naive_correlation(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.corrcoef(x.reshape(len(x), -1).astype(np.float64)))


@pytest.mark.parametrize(
    ("name", "naive"), [("gram", naive_gram), ("sign_kernel", naive_sign_kernel), ("correlation", naive_correlation)]
)
@pytest.mark.parametrize("shift", [0.0, 3.0, 100.0])
def test_samples_matrices_agree_with_naive_ones(name: str, naive: object, shift: float) -> None:
    assert callable(naive)
    x = normal(2, 9, 7, 31, 31) + shift
    wanted = torch.from_numpy(np.stack([naive(unit) for unit in x.numpy()]))
    got = function(name, Kind.OUTPUT, x)
    assert got.dtype == torch.float32
    tolerance = 2e-6 if name == "correlation" else 0.0
    torch.testing.assert_close(got.double(), wanted, rtol=1e-6, atol=tolerance)
    torch.testing.assert_close(got, got.mT, rtol=1e-6, atol=tolerance)


def test_logdet_of_a_gram_matrix_in_single_precision() -> None:
    """Activations behind a ReLU point the same way: an ill-conditioned matrix, and still float32 serves."""
    x = (normal(2, 16, 8, 16, 16) + 1).relu()
    rows = x.flatten(2).double()
    wanted = torch.linalg.slogdet(rows @ rows.mT / rows.shape[2]).logabsdet
    got = function("logdet", Kind.SAMPLES, function("gram", Kind.OUTPUT, x))
    torch.testing.assert_close(got.double(), wanted, rtol=1e-6, atol=0.0)


def test_samples_readings_agree_with_numpy() -> None:
    k = normal(3, 6, 6, dtype=torch.float64)
    k = k @ k.mT
    for unit, matrix in zip(k.split(1), k.numpy(), strict=True):  # type: ignore[no-untyped-call]
        eigenvalues = np.linalg.eigvalsh(matrix)
        for name, wanted in {
            "logdet": np.log(eigenvalues).sum(),
            "condition_number": eigenvalues[-1] / eigenvalues[0],
            "trace": np.trace(matrix),
            "off_diagonal_mean": (matrix.sum() - np.trace(matrix)) / 30,
            "nuclear_norm": eigenvalues.sum(),
            "spectral_norm": eigenvalues[-1],
        }.items():
            assert function(name, Kind.SAMPLES, unit).item() == pytest.approx(wanted, rel=1e-6), name
        assert function("logdet_jitter", Kind.SAMPLES, unit, 0.5).item() == pytest.approx(
            np.log(eigenvalues + 0.5).sum(), rel=1e-9
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_agree_with_numpy(dtype: torch.dtype) -> None:
    x = normal(2, 3, 2, 5, 5, dtype=dtype)
    for name in ("det", "logdet", "sym_eig_ratio", "eig_ratio"):
        got = function(name, Kind.OUTPUT, x)
        assert got.shape == (2, 3, 2, 1, 1)
        for index in np.ndindex(2, 3, 2):
            a = x[index].double().numpy()
            det = np.linalg.det(a)
            symmetric = np.abs(np.linalg.eigvalsh((a + a.T) / 2))
            general = np.abs(np.linalg.eigvals(a))
            wanted = {
                "det": det,
                "logdet": np.log(det) if det > 0 else 0.0,
                "sym_eig_ratio": symmetric.max() / symmetric.min(),
                "eig_ratio": general.max() / general.min(),
            }[name]
            assert got[index].item() == pytest.approx(wanted, rel=1e-5 if dtype == torch.float32 else 1e-9), name


def test_matmul_multiplies_each_pair_of_maps() -> None:
    x, y = normal(2, 3, 2, 4, 4), normal(2, 3, 2, 4, 4, seed=1)
    product = primitives.resolve("matmul", [Kind.OUTPUT] * 2)[0].function(x, y)
    for index in np.ndindex(2, 3, 2):
        torch.testing.assert_close(product[index], torch.from_numpy(x[index].numpy() @ y[index].numpy()))


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
def test_eznas_a_is_the_released_expression(side: int) -> None:
    """``frobenius_norm(sigmoid(logdet(sign(x))))``, determinants that are not positive read as exp(0)."""
    x = normal(3, 16, 8, side, side)
    x[0, :4] = 0
    x[1, :, 2, 0] = x[1, :, 2, -1]  # two equal rows
    got = x
    for name in ("sign", "logdet", "sigmoid", "frobenius_norm"):
        got = function(name, Kind.INPUT, got)
    for unit, one in zip(x, got, strict=True):
        determinants = np.linalg.det(torch.sign(unit).double().numpy())  # of integers, so an integer itself
        logs = np.log(np.where(determinants > 0.5, determinants, 1.0))
        wanted = np.linalg.norm(1 / (1 + np.exp(-logs)))
        assert one.item() == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("side", [8, 16, 32])
def test_a_singular_map_has_no_logdet_whatever_its_scale(side: int) -> None:
    x = normal(1, 1, 40, side, side, dtype=torch.float32).sign()
    x[..., -1] = x[..., 0] + x[..., 1]  # columns that depend on each other; rounding hides that from the pivots
    for scale in (1e-3, 1.0, 1e3):
        got = function("logdet", Kind.INPUT, scale * x)
        assert (got == 0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 1000])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.99, 1.0])
def test_quantile_agrees_with_numpy(count: int, fraction: float) -> None:
    x = normal(2, count, 1, 1, 1, dtype=torch.float64)
    wanted = np.quantile(x.flatten(1).numpy(), fraction, axis=1)
    np.testing.assert_allclose(function("quantile", Kind.INPUT, x, fraction).numpy(), wanted, rtol=1e-12)


def test_statistics_are_what_the_released_code_numbers() -> None:
    numbered = {one.reference_index: name for name, one in STATISTICS.items() if one.reference_index is not None}
    assert sorted(numbered) == list(range(22))
    assert (numbered[0], numbered[1], numbered[8], numbered[12]) == (
        "norm_out_grad.perturbed", "weight", "input_grad.data", "conv_in.noise",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["effective_rank", "stable_rank", "nuclear_norm", "spectral_norm"])
def test_wide_matrices_of_low_rank_are_reduced_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = torch.cat([low_rank(3, 1, 1100, 1030, 1, 1), 1e-3 * low_rank(2, 1, 1100, 1030, 1, 1)])
    reduced = function(name, Kind.WEIGHT, wide)
    assert torch.equal(function(name, Kind.WEIGHT, wide[1:]), reduced[1:])
    monkeypatch.setattr(spectral, "WIDE", 2000)
    torch.testing.assert_close(reduced, function(name, Kind.WEIGHT, wide), rtol=1e-3, atol=0)


def test_wide_matrices_of_full_rank_and_of_nan_are_read_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = normal(1, 1030, 1030, 1, 1)
    wide[0, 70:] = 0  # rank 70
    broken = wide.clone()
    broken[0, 0, 0] = torch.nan
    found = [function("nuclear_norm", Kind.WEIGHT, one) for one in (wide, broken)]
    monkeypatch.setattr(spectral, "WIDE", 2000)
    assert torch.equal(found[0], function("nuclear_norm", Kind.WEIGHT, wide))
    assert bool(found[1].isnan().all())
