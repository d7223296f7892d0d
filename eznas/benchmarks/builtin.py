"""The built-in benchmarks. Sizes, digests and best values are as their authors publish them."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eznas.benchmarks.catalog import BENCHMARKS, BenchmarkInfo, FlopsColumn, OfficialFile, Rounding
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eznas.benchmarks.catalog import Reader
    from eznas.benchmarks.convert.converted import Converted

_IMAGES = ("cifar10", "cifar100", "imagenet16-120")
_TOPOLOGY = {"cifar10": {"test_200": 94.37}, "cifar100": {"test_200": 73.51}, "imagenet16-120": {"test_200": 47.31}}


_MILLIONS = FlopsColumn(
    "mflops",
    1e6,
    "products_and_biases",
    "millions of multiply-adds of convolutions and linear layers, with the biases of the latter",
    Rounding(relative=1e-7),
)
_EVERY_LAYER = (
    "millions of operations as NASLib counts them: multiply-adds, 2 for each input of a batch normalisation, 1 for "
    "each input of a ReLU, and the window of each output of a pooling"
)
_SEVEN_DIGITS = Rounding(relative=5.01e-7)


def _targets(*lengths: int) -> tuple[str, ...]:
    return tuple(f"{split}_{epochs}" for epochs in lengths for split in ("test", "validation"))


def _converter(name: str, *first: object) -> Callable[..., Any]:
    """Return ``MODULE.FUNCTION`` of ``eznas.benchmarks.convert`` with its first arguments; a call imports it."""

    def call(*args: object, **options: object) -> object:
        module, _, function = name.partition(".")
        return getattr(importlib.import_module(f"eznas.benchmarks.convert.{module}"), function)(
            *first, *args, **options
        )

    return call


def _reader(module: str, space: str, *, curves: bool = False, **options: int) -> Reader:
    """Return the reader of official files in ``eznas.benchmarks.convert.MODULE``."""
    read = _converter(f"{module}.read_{module}")

    def convert(files: Sequence[Path], dataset: str, *, every_epoch: bool = False) -> Converted:
        if every_epoch and not curves:
            raise InputError(
                f"every_epoch must be set only for files with learning curves, which those of {space} lack",
                parameters=("every_epoch",),
            )
        curve_options = {"every_epoch": every_epoch} if curves else {}
        converted: Converted = read(files, dataset, SPACES[space], **curve_options, **options)
        return converted

    return convert


BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench201",
        space="nasbench201",
        datasets=_IMAGES,
        citation="Dong, Yang. NAS-Bench-201. ICLR 2020. arXiv:2001.00326",
        home="https://github.com/D-X-Y/NAS-Bench-201",
        licence="MIT",
        architectures=15_625,
        targets=_targets(200, 12),
        files=(
            OfficialFile("NAS-Bench-201-v1_0-e61699.pth", digest="md5:e61699"),
            OfficialFile("NAS-Bench-201-v1_1-096897.pth", digest="md5:096897"),
        ),
        best=_TOPOLOGY,
        flops=(
            _MILLIONS,
            FlopsColumn("mflops_every_layer", 1e6, "every_layer", _EVERY_LAYER, Rounding(absolute=5.01e-5)),
        ),
        convert=_reader("pth", "nasbench201", curves=True),
        embedded={"cifar10": _converter("analog.read_analog")},
        extra="nasbench201",
        module="analognasbench",
    )
)

_SIZE = {"cifar10": {"test_90": 93.65}, "cifar100": {"test_90": 71.34}}
for _name, _space, _count, _epochs, _file, _best in (
    ("nats_tss", "nasbench201", 15_625, (200, 12), "NATS-tss-v1_0-3ffb9", _TOPOLOGY),
    ("nats_sss", "nats_sss", 32_768, (90, 12, 1), "NATS-sss-v1_0-50262", _SIZE),
):
    BENCHMARKS.register(
        BenchmarkInfo(
            name=_name,
            space=_space,
            datasets=_IMAGES,
            citation="Dong, Liu, Musial, Gabrys. NATS-Bench. TPAMI 2021. arXiv:2009.00437",
            home="https://github.com/D-X-Y/NATS-Bench",
            licence="MIT",
            architectures=_count,
            targets=_targets(*_epochs),
            files=(OfficialFile(f"{_file}-simple"), OfficialFile(f"{_file}.pickle.pbz2", digest=f"md5:{_file[-5:]}")),
            best=_best,
            flops=(_MILLIONS,),
            convert=_reader("nats", _space, curves=True, epochs=_epochs[0]),
        )
    )

_SWEEPS = (
    *("DARTS", "DARTS_in", "DARTS_fix-w-d", "DARTS_lr-wd", "DARTS_lr-wd_in"),
    *("ENAS", "ENAS_in", "ENAS_fix-w-d", "PNAS", "PNAS_in", "PNAS_fix-w-d"),
    *("Amoeba", "Amoeba_in", "NASNet", "NASNet_in", "ResNet"),
    *("ResNeXt-A", "ResNeXt-A_in", "ResNeXt-B", "ResNeXt-B_in", "Vanilla", "Vanilla_lr-wd", "Vanilla_lr-wd_in"),
)

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
            convert=_reader("nds", _space, curves=True),
        )
    )

BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench101",
        space="nasbench101",
        datasets=("cifar10",),
        citation="Ying, Klein, Christiansen, Real, Murphy, Hutter. NAS-Bench-101. ICML 2019. arXiv:1902.09635",
        home="https://github.com/google-research/nasbench",
        licence="Apache-2.0",
        architectures=423_624,
        targets=_targets(108, 36, 12, 4),
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
            OfficialFile("nasbench_only108.pkl", "as NASLib offers it"),
        ),
        convert=_reader("nasbench101", "nasbench101"),
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
        flops=(FlopsColumn("flops", 1, "products", "multiply-adds of convolutions and linear layers, without biases"),),
        convert=_reader("macro", "nasbench_macro"),
    )
)

_TRANSNAS_BEST = {
    "transnas_micro": {"class_scene": 54.94, "class_object": 45.59},
    "transnas_macro": {"class_scene": 57.41, "class_object": 47.42},
}
for _name, _count in (("transnas_micro", 4_096), ("transnas_macro", 3_256)):
    BENCHMARKS.register(
        BenchmarkInfo(
            name=_name,
            space=_name,
            datasets=(
                *("class_scene", "class_object", "jigsaw", "room_layout"),
                *("segmentsemantic", "normal", "autoencoder"),
            ),
            citation="Duan et al. TransNAS-Bench-101. CVPR 2021. arXiv:2105.11871",
            home="https://github.com/yawen-d/TransNASBench",
            licence="MIT",
            architectures=_count,
            targets=("validation_E, E being the epochs of the task", "test_E", "best_validation", "best_test"),
            files=(OfficialFile("transnas-bench_v10141024.pth"),),
            best={task: {"validation_25": best} for task, best in _TRANSNAS_BEST[_name].items()},
            convert=_reader("transnas", _name, curves=True),
        )
    )

BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench301",
        space="darts",
        fidelity="nasbench301",
        datasets=("cifar10",),
        citation="Zela, Siems, Zimmer, Lukasik, Keuper, Hutter. Surrogate NAS Benchmarks. ICLR 2022. arXiv:2008.09777",
        home="https://github.com/automl/nasbench301",
        licence="Apache-2.0",
        targets=("validation_E, E being the epochs of training, 100 for most", "test_E"),
        files=(OfficialFile("nb_301_v13"), OfficialFile("nasbench301_full_data")),
        convert=_reader("nasbench301", "darts", curves=True),
    )
)

_TASKS = ("class_scene", "class_object")
_NASLIB = FlopsColumn("flops", 1e6, "every_layer", _EVERY_LAYER, _SEVEN_DIGITS)
_UNPOOLED = replace(_NASLIB, counted="every_layer_unpooled", definition=f"{_EVERY_LAYER}, but not the last, global one")
for _file, _space, _datasets, _flops in (
    ("nasbench201", "nasbench201", _IMAGES, _NASLIB),
    ("nasbench101", "nasbench101", ("cifar10",), _UNPOOLED),
    ("nasbench301", "darts", ("cifar10",), None),  # NASLib's networks have other batch normalisations
    ("transbench101_micro", "transnas_micro", _TASKS, _NASLIB),
    ("transbench101_macro", "transnas_macro", _TASKS, _NASLIB),
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
            flops=(_flops,) if _flops else (),
            params_unit=1e6 if _flops else 0,
            params_rounding=_SEVEN_DIGITS,
            convert=_reader("zc", _space),
        )
    )

for _size in ("tiny", "small", "base"):
    BENCHMARKS.register(
        BenchmarkInfo(
            name=f"autoformer_{_size}",
            space=f"autoformer_{_size}",
            datasets=("imagenet",),
            citation="Chen, Peng, Fu, Ling. AutoFormer. ICCV 2021. arXiv:2107.00651",
            home="https://github.com/microsoft/Cream",
            targets=("inherited",),
            flops=(
                FlopsColumn(
                    "mflops",
                    1e6,
                    "autoformer",
                    "millions of operations as AutoFormer's released code counts them",
                    Rounding(absolute=1e-6),
                ),
            ),
        )
    )

for _part, _more, _gt in (("autoformer", ("imagenet",), ("autoformer", "autoformer_2")), ("pit", (), ("pit",))):
    BENCHMARKS.register(
        BenchmarkInfo(
            name=f"vitbench101_{_part}",
            space=f"vitbench101_{_part}",
            datasets=("cifar100", "flowers", "chaoyang", *_more),
            citation="Wei et al. Auto-Prox. AAAI 2024. arXiv:2312.09059",
            home="https://github.com/lilujunai/Auto-Prox-AAAI24",
            targets=("base", "kd", *("inherited" for _ in _more)),
            files=tuple(OfficialFile(f"gt_{_name}.pth") for _name in _gt),
            convert=_reader("vitbench", f"vitbench101_{_part}"),
        )
    )

BENCHMARKS.register(
    BenchmarkInfo(
        name="flexibert",
        space="flexibert",
        datasets=("glue",),
        citation="Serianni, Kalita. Training-free Neural Architecture Search for RNNs and Transformers. ACL 2023",
        home="https://github.com/aaronserianni/training-free-nas",
        licence="CC-BY-4.0",
        architectures=491,
        targets=("glue", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst", "sts"),
        files=(OfficialFile("BERT_benchmark.json"),),
        convert=_reader("flexibert", "flexibert"),
    )
)

BENCHMARKS.register(
    BenchmarkInfo(
        name="accel_nasbench",
        space="accel_nasbench",
        datasets=("imagenet",),
        citation="Ahmad et al. Accel-NASBench. DAC 2024",
        home="https://github.com/afzalxo/Accel-NASBench",
        architectures=5_125,
        targets=("val_top1", "val_top5"),
        files=(OfficialFile("anb_dataset_jsons.tar.gz"), OfficialFile("anb_dataset_jsons")),
        flops=(
            FlopsColumn(
                "mmacs",
                1e6,
                "products_and_norms",
                "millions of operations as THOP counts them: multiply-adds of convolutions and linear layers, 4 for "
                "each input of a batch normalisation, and h w + 1 for each output of a global pooling",
                Rounding(absolute=1e-6),
            ),
        ),
        convert=_reader("accel", "accel_nasbench"),
    )
)

_ZOO = ("cifar10", "cifar100", "svhn")
BENCHMARKS.register(
    BenchmarkInfo(
        name="pytorchcv",
        space="pytorchcv",
        datasets=_ZOO,
        citation="Semery. Convolutional neural networks for computer vision. github.com/osmr/imgclsmob",
        home="https://pypi.org/project/pytorchcv",
        licence="MIT",
        targets=("test_accuracy",),
        embedded={dataset: _converter("zoo.read_zoo", dataset) for dataset in _ZOO},
        extra="zoo",
        module="pytorchcv",
        left_out=_converter("zoo.left_out"),
    )
)
