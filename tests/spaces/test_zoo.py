from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner

from eznas.benchmarks import load_table
from eznas.benchmarks.convert.zoo import left_out
from eznas.cli.benchmarks import main
from eznas.errors import InputError
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.testing.spaces import check_edits, check_strings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPACE = SPACES["pytorchcv"]
HEADER = '"model_name","net_weights","error_value","checksum","test_dataset"\n'
LINES = (
    '"alexnet",62378344,1664,"2768","in1k"\n'
    '"small_cifar10",1000,0597,"ab","cf"\n'
    '"small_svhn",1000,0343,"ab","cf"\n'
    '"large_2x_cifar10",2000,0412,"ab","cf"\n'
    '"large_2x_cifar100",2090,2050,"ab","cf"\n'
    '"untrained_cifar10",2000,NA,"ab","cf"\n'
    '"bird_cub",2000,2050,"ab","cub"\n'
    '"words",2000,NA,"ab","NA"\n'
    '"other_cifar10",2000,NA,"ab","NA"\n'
)
PROVIDER = """
import absent_for_certain  # what other models need
from .models.nets import small_cifar10, small_svhn, large_2x_cifar10
from .models.nets import (large_2x_cifar100, untrained_cifar10)
"""
NETS = """
from torch import nn

def small_cifar10(classes=10, pretrained=False):
    assert not pretrained
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

small_svhn = large_2x_cifar10 = small_cifar10

def large_2x_cifar100(pretrained):
    return small_cifar10(100, pretrained)

def untrained_cifar10(pretrained):
    return "no network"
"""


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pytorchcv"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small package in the form of the real one; the path of its metadata."""
    metadata = tmp_path / "pytorchcv" / "models" / "common" / "model_metainfos.csv"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(HEADER + LINES)
    (tmp_path / "pytorchcv" / "__init__.py").write_text("")
    (tmp_path / "pytorchcv" / "model_provider.py").write_text(PROVIDER)
    (tmp_path / "pytorchcv" / "models" / "nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield metadata
    forget()


def test_models_for_small_images_are_the_architectures(package: Path) -> None:
    assert SPACE.architectures() == ["small", "large_2x", "untrained"]
    assert SPACE.parse(" Small_SVHN\n") == SPACE.parse("small") == "small"
    with pytest.raises(
        InputError, match=r"unknown model of pytorchcv for CIFAR or SVHN 'larg_2x'; did you mean 'large_2x'"
    ):
        SPACE.parse("larg_2x")
    with pytest.raises(InputError, match="'alexnet'"):
        SPACE.parse("alexnet")
    with pytest.raises(InputError, match="no known edits"):
        SPACE.mutate("small", python_rng(0))
    drawn = [SPACE.sample(python_rng(seed)) for seed in range(3)]
    check_strings(SPACE, drawn)
    check_edits(SPACE, drawn)
    assert "pytorchcv" not in sys.modules  # its metadata was read without importing it


def test_networks_have_the_classes_of_a_data_set(package: Path) -> None:
    full = SPACE.fidelities["full"]
    images = torch.zeros(2, 3, full.pixels, full.pixels)
    for name, classes in (("small", 10), ("large_2x", 10), ("large_2x", 100)):
        assert SPACE.build(name, full, classes)(images).shape == (2, classes)
    with pytest.raises(InputError, match="small of pytorchcv must have 10 classes, got 100"):
        SPACE.build("small", full, 100)
    with pytest.raises(InputError, match="large_2x of pytorchcv must have 10 or 100 classes, got 7"):
        SPACE.build("large_2x", full, 7)
    with pytest.raises(InputError, match=r"must build a torch.nn.Module for untrained, got str"):
        SPACE.build("untrained", full, 10)


def test_a_package_that_is_not_whole_is_said(package: Path) -> None:
    full, provider = SPACE.fidelities["full"], package.parents[2] / "model_provider.py"
    (package.parents[1] / "nets.py").write_text("import absent_for_certain\n")
    with pytest.raises(InputError, match=r"pytorchcv\.models\.nets must be whole, but No module named 'absent_for"):
        SPACE.build("small", full, 10)
    for text, message in (
        ("x = 1\n", "must import small_cifar10"),
        ("def\n", "must be a Python file, but invalid syntax"),
    ):
        provider.write_text(text)
        with pytest.raises(InputError, match=message):
            SPACE.build("small", full, 10)


def test_accuracies_are_read_from_the_package(package: Path) -> None:
    table = load_table("pytorchcv", "cifar10")
    assert table.architectures == ("small", "large_2x")
    assert table.accuracies.tolist() == pytest.approx([94.03, 95.88])
    assert table.columns["params"].tolist() == [1000, 2000]
    assert (table.target.dataset, table.target.split, table.target.epochs) == ("cifar10", "test", None)
    assert table.source.startswith("pytorchcv ")
    assert load_table("pytorchcv", "svhn", target="test_accuracy").accuracies.tolist() == pytest.approx([96.57])
    with pytest.raises(InputError, match="unknown column of pytorchcv 'error'"):
        load_table("pytorchcv", "cifar10", target="error")


def test_models_that_do_not_fit_are_listed_with_the_reason(package: Path) -> None:
    assert left_out("cifar10") == {
        "alexnet": "for ImageNet, whose images are larger",
        "small_svhn": "for svhn",
        "large_2x_cifar100": "for cifar100",
        "untrained_cifar10": "the package states no error of it",
        "bird_cub": "for CUB-200 birds, whose images are larger",
        "words": "no classification",
        "other_cifar10": "the package states no error of it",
    }
    told = CliRunner().invoke(main, ["info", "pytorchcv"])
    assert told.exit_code == 0, told.output
    assert 'pip install "eznas[zoo]"' in told.output
    assert "svhn: omitted are " in told.output
    assert "alexnet" not in told.output
    assert "  bird_cub: for CUB-200 birds" in CliRunner().invoke(main, ["info", "pytorchcv", "--left_out"]).output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have the columns model_name, net_weights"),
        ("model_name,checksum\nsmall_cifar10,ab\n", "must have the columns model_name, net_weights"),
        (
            HEADER + '"small_cifar10",1000,"4 %","ab","cf"\n',
            "must hold whole numbers as error and weights of small_cifar10",
        ),
        (HEADER + '"small_cifar10",1000,"0', "must be a CSV file"),
        (HEADER + '"alexnet",1000,0412,"ab","in1k"\n', "must state errors of models on cifar10, it states none"),
    ],
)
def test_metadata_of_another_form_is_refused(package: Path, text: str, message: str) -> None:
    package.write_text(text)
    with pytest.raises(InputError, match=message):
        load_table("pytorchcv", "cifar10")


def test_a_package_that_is_missing_is_named(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package.unlink()
    with pytest.raises(InputError, match=r"must exist, but this version of pytorchcv lacks it"):
        load_table("pytorchcv", "svhn")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    sentence = r'the models of pytorchcv must be installed first: pip install "eznas\[zoo\]"'
    with pytest.raises(InputError, match=sentence):
        SPACE.parse("small")
    with pytest.raises(InputError, match=sentence):
        load_table("pytorchcv", "cifar10")
    told = CliRunner().invoke(main, ["info", "pytorchcv"])
    assert told.exit_code == 0, told.output
    assert "must be installed first" in told.output


def test_the_real_package_is_read_and_built() -> None:
    if importlib.util.find_spec("pytorchcv") is None:
        pytest.skip('the package pytorchcv is not installed: pip install "eznas[zoo]"')
    full = SPACE.fidelities["full"]
    for dataset, classes, models in (("cifar10", 10, 70), ("cifar100", 100, 68), ("svhn", 10, 63)):
        table = load_table("pytorchcv", dataset)
        assert len(table) == models
        assert 60 < table.accuracies.min() < table.accuracies.max() < 99
        for name in ("nin", "resnet56", "densenet40_k12_bc"):
            with torch.device("meta"):
                network = SPACE.build(name, full, classes)
            params = sum(parameter.numel() for parameter in network.parameters())
            assert params == table.columns["params"][table.architectures.index(name)]
