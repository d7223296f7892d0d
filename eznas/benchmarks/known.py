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


def _nasbench101(files: Sequence[Path], dataset: str) -> Converted:
    from eznas.benchmarks.convert.nasbench101 import read_nasbench101

    return read_nasbench101(files, dataset, SPACES["nasbench101"])


def _macro(files: Sequence[Path], dataset: str) -> Converted:
    from eznas.benchmarks.convert.macro import read_macro

    return read_macro(files, dataset, SPACES["nasbench_macro"])


def _zc(space: str) -> Callable[[Sequence[Path], str], Converted]:
    def convert(files: Sequence[Path], dataset: str) -> Converted:
        from eznas.benchmarks.convert.zc import read_zc

        return read_zc(files, dataset, SPACES[space])

    return convert


BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench101",
        space="nasbench101",
        datasets=("cifar10",),
        citation="Ying, Klein, Christiansen, Real, Murphy, Hutter. NAS-Bench-101. ICML 2019. arXiv:1902.09635",
        home="https://github.com/google-research/nasbench",
        licence="Apache-2.0",
        architectures=423_624,
        targets=tuple(f"{split}_{epochs}" for epochs in (108, 36, 12, 4) for split in ("test", "validation")),
        files=(
            OfficialFile(
                "nasbench_full.tfrecord",
                "1.95 GB",
                "sha256:3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
            ),
            OfficialFile(
                "nasbench_only108.tfrecord",
                "499 MB",
                "sha256:4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
            ),
        ),
        convert=_nasbench101,
    )
)

BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench_macro",
        space="nasbench_macro",
        datasets=("cifar10",),
        citation="Su et al. Prioritized Architecture Sampling with Monto-Carlo Tree Search. CVPR 2021",
        home="https://github.com/xiusu/NAS-Bench-Macro",
        licence="Apache-2.0",
        architectures=6_561,
        targets=("test_50",),
        files=(OfficialFile("nas-bench-macro_cifar10.json"),),
        convert=_macro,
    )
)

for _name, _count in (("transnas_micro", 4_096), ("transnas_macro", 3_256)):
    BENCHMARKS.register(
        BenchmarkInfo(
            name=_name,
            space=_name,
            datasets=("class_scene", "class_object"),
            citation="Duan et al. TransNAS-Bench-101. CVPR 2021. arXiv:2105.11871",
            home="https://github.com/yawen-d/TransNASBench",
            architectures=_count,
        )
    )

BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench301",
        space="darts",
        datasets=("cifar10",),
        citation="Zela, Siems, Zimmer, Lukasik, Keuper, Hutter. Surrogate NAS Benchmarks. ICLR 2022. arXiv:2008.09777",
        home="https://github.com/automl/nasbench301",
        licence="Apache-2.0",
    )
)

_TASKS = ("class_scene", "class_object")
for _file, _space, _datasets in (
    ("nasbench201", "nasbench201", ("cifar10", "cifar100", "ImageNet16-120")),
    ("nasbench101", "nasbench101", ("cifar10",)),
    ("nasbench301", "darts", ("cifar10",)),
    ("transbench101_micro", "transnas_micro", _TASKS),
    ("transbench101_macro", "transnas_macro", _TASKS),
):
    BENCHMARKS.register(
        BenchmarkInfo(
            name=f"zc_{_file}",
            space=_space,
            datasets=_datasets,
            citation="Krishnakumar et al. NAS-Bench-Suite-Zero. NeurIPS Datasets and Benchmarks 2022. arXiv:2210.03230",
            home="https://github.com/automl/NASLib",
            licence="Apache-2.0",
            targets=("val_accuracy",),
            files=(OfficialFile(f"zc_{_file}.json"),),
            convert=_zc(_space),
        )
    )
