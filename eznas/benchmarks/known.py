"""The benchmarks that are known. Sizes, digests and best values are those that their authors publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.benchmarks.catalog import BENCHMARKS, BenchmarkInfo, OfficialFile
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.benchmarks.table import AccuracyTable

_NATS = "https://github.com/D-X-Y/NATS-Bench"
_IMAGES = ("cifar10", "cifar100", "imagenet16-120")
_TOPOLOGY = {"cifar10": {"test_200": 94.37}, "cifar100": {"test_200": 73.51}, "imagenet16-120": {"test_200": 47.31}}


def _analog(target: str | None) -> AccuracyTable:
    from eznas.benchmarks.convert.analog import read_analog

    return read_analog(target)


def _pth(files: Sequence[Path], dataset: str) -> Converted:
    from eznas.benchmarks.convert.pth import read_pth

    return read_pth(files, dataset, SPACES["nasbench201"])


def _tss(files: Sequence[Path], dataset: str) -> Converted:
    from eznas.benchmarks.convert.nats import read_nats

    return read_nats(files, dataset, SPACES["nasbench201"], epochs=200)


def _sss(files: Sequence[Path], dataset: str) -> Converted:
    from eznas.benchmarks.convert.nats import read_nats

    return read_nats(files, dataset, SPACES["nats_sss"], epochs=90)


BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench201",
        space="nasbench201",
        datasets=_IMAGES,
        citation="Dong, Yang. NAS-Bench-201. ICLR 2020. arXiv:2001.00326",
        home="https://github.com/D-X-Y/NAS-Bench-201",
        licence="MIT",
        architectures=15_625,
        targets=("test_200", "validation_200", "test_12", "validation_12"),
        files=(
            OfficialFile("NAS-Bench-201-v1_0-e61699.pth", digest="md5:e61699"),
            OfficialFile("NAS-Bench-201-v1_1-096897.pth", digest="md5:096897"),
        ),
        best=_TOPOLOGY,
        convert=_pth,
        embedded={"cifar10": _analog},
    )
)

BENCHMARKS.register(
    BenchmarkInfo(
        name="nats_tss",
        space="nasbench201",
        datasets=_IMAGES,
        citation="Dong, Liu, Musial, Gabrys. NATS-Bench. TPAMI 2021. arXiv:2009.00437",
        home=_NATS,
        licence="MIT",
        architectures=15_625,
        targets=("test_200", "validation_200", "test_12", "validation_12"),
        files=(
            OfficialFile("NATS-tss-v1_0-3ffb9-simple"),
            OfficialFile("NATS-tss-v1_0-3ffb9.pickle.pbz2", digest="md5:3ffb9"),
        ),
        best=_TOPOLOGY,
        convert=_tss,
    )
)

BENCHMARKS.register(
    BenchmarkInfo(
        name="nats_sss",
        space="nats_sss",
        datasets=_IMAGES,
        citation="Dong, Liu, Musial, Gabrys. NATS-Bench. TPAMI 2021. arXiv:2009.00437",
        home=_NATS,
        licence="MIT",
        architectures=32_768,
        targets=("test_90", "validation_90", "test_12", "validation_12", "test_1", "validation_1"),
        files=(
            OfficialFile("NATS-sss-v1_0-50262-simple"),
            OfficialFile("NATS-sss-v1_0-50262.pickle.pbz2", digest="md5:50262"),
        ),
        best={"cifar10": {"test_90": 93.65}, "cifar100": {"test_90": 71.34}},
        convert=_sss,
    )
)

_SWEEPS = (
    *("DARTS", "DARTS_in", "DARTS_fix-w-d", "DARTS_lr-wd", "DARTS_lr-wd_in"),
    *("ENAS", "ENAS_in", "ENAS_fix-w-d", "PNAS", "PNAS_in", "PNAS_fix-w-d"),
    *("Amoeba", "Amoeba_in", "NASNet", "NASNet_in", "ResNet"),
    *("ResNeXt-A", "ResNeXt-A_in", "ResNeXt-B", "ResNeXt-B_in", "Vanilla", "Vanilla_lr-wd", "Vanilla_lr-wd_in"),
)


def _nds(space: str) -> Callable[[Sequence[Path], str], Converted]:
    def convert(files: Sequence[Path], dataset: str) -> Converted:
        from eznas.benchmarks.convert.nds import read_nds

        return read_nds(files, dataset, SPACES[space])

    return convert


for _sweep in _SWEEPS:
    _name = f"nds_{_sweep.lower()}"
    _space = _name.replace("_fix-w-d", "").replace("_lr-wd", "")
    BENCHMARKS.register(
        BenchmarkInfo(
            name=_name,
            space=_space,
            datasets=("imagenet",) if _name.endswith("_in") else ("cifar10",),
            citation="Radosavovic, Johnson, Xie, Lo, Dollar. On Network Design Spaces. ICCV 2019. arXiv:1905.13214",
            home="https://github.com/facebookresearch/nds",
            targets=("test_E, E being the epochs of the sweep", "best_test"),
            files=(OfficialFile(f"{_sweep}.json"),),
            convert=_nds(_space),
        )
    )
