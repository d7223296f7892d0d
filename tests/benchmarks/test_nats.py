from __future__ import annotations

import bz2
import importlib
import os
import pickle
import shutil
import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
import torch

from eznas.benchmarks import BENCHMARKS, read_table
from eznas.benchmarks.conversion import convert, manifest_path
from eznas.benchmarks.convert.nats import read_nats
from eznas.benchmarks.convert.pth import load_pth, read_pth
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

TSS, SSS = "NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"
KINDS = {"tss": ("nats_tss", TSS, 200), "sss": ("nats_sss", SSS, 90)}
ARCHITECTURES = {
    "tss": (SPACES["nasbench201"].architectures() or ()),
    "sss": (SPACES["nats_sss"].architectures() or ()),
}
INDEXES = (0, 11, 284)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("false",)


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> Path:
    return shared_data / "official_samples"


def unpacked(path: Path) -> Any:
    return pickle.loads(bz2.decompress(path.read_bytes()))  # noqa: S301 - the real sample


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dataset", "theirs"), [("cifar10", "cifar10"), ("cifar100", "cifar100"), ("imagenet16-120", "ImageNet16-120")]
)
def test_samples_agree_with_the_official_reader(samples: Path, kind: str, dataset: str, theirs: str) -> None:
    nats_bench = pytest.importorskip("nats_bench")
    name, folder, epochs = KINDS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api = nats_bench.create(str(samples / folder), kind, fast_mode=True, verbose=False)
    info = BENCHMARKS[name]
    assert info.convert is not None
    converted = info.convert([samples / folder], dataset)
    assert converted.architectures == tuple(ARCHITECTURES[kind][index] for index in INDEXES)
    for place, index in enumerate(INDEXES):
        for schedule in (12, epochs):
            more = api.get_more_info(index, theirs, hp=str(schedule), is_random=False)
            assert converted.columns[f"test_{schedule}"][place] == pytest.approx(more["test-accuracy"], abs=1e-9)
            known = api.get_more_info(
                index, "cifar10-valid" if dataset == "cifar10" else theirs, hp=str(schedule), is_random=False
            )
            assert converted.columns[f"validation_{schedule}"][place] == pytest.approx(
                known["valid-accuracy"], abs=1e-9
            )
        cost = api.get_cost_info(index, theirs)
        assert converted.columns["params"][place] == pytest.approx(1e6 * cost["params"])
        assert converted.columns["mflops"][place] == pytest.approx(cost["flops"])


@pytest.mark.parametrize("kind", KINDS)
def test_learning_curves_are_those_of_the_samples(samples: Path, kind: str) -> None:
    name, folder, epochs = KINDS[kind]
    info = BENCHMARKS[name]
    assert info.convert is not None
    whole = info.convert([samples / folder], "cifar10", every_epoch=True)
    part = info.convert([samples / folder], "cifar10")
    results = unpacked(samples / folder / "000011.pickle.pbz2")[str(epochs)]["all_results"]
    for column, trained, split in (("validation", "cifar10-valid", "x-valid"), ("test", "cifar10", "ori-test")):
        for epoch in range(1, epochs):
            curves = [record["eval_acc1es"] for (where, _), record in results.items() if where == trained]
            mean = sum(curve[f"{split}@{epoch - 1}"] for curve in curves) / len(curves)
            point = f"{column}_{epochs}@{epoch}"
            assert whole.columns[point][1] == pytest.approx(mean)
            assert (point in part.columns) == (epoch & (epoch - 1) == 0)
    losses = [record["train_losses"][7] for (where, _), record in results.items() if where == "cifar10"]
    assert part.columns[f"train_loss_{epochs}@8"][1] == pytest.approx(sum(losses) / len(losses))
    losses = [record["train_losses"][epochs - 1] for (where, _), record in results.items() if where == "cifar10"]
    assert part.columns[f"train_loss_{epochs}"][1] == pytest.approx(sum(losses) / len(losses))
    other = info.convert([samples / folder], "cifar100")
    assert (f"heldout_{epochs}@8" if kind == "tss" else f"test_{epochs}@8") in other.columns


@pytest.mark.parametrize("kind", KINDS)
def test_networks_have_the_parameters_of_the_samples(samples: Path, kind: str) -> None:
    name, folder, _ = KINDS[kind]
    info = BENCHMARKS[name]
    assert info.convert is not None
    for dataset, classes in (("cifar10", 10), ("cifar100", 100), ("imagenet16-120", 120)):
        converted = info.convert([samples / folder], dataset)
        space = SPACES[info.space]
        for architecture, params in zip(converted.architectures, converted.columns["params"], strict=True):
            with torch.device("meta"):
                network = space.build(architecture, space.fidelities["full"], classes)
            assert sum(parameter.numel() for parameter in network.parameters()) == params


def test_the_whole_archive_reads_as_its_parts_do(samples: Path, tmp_path: Path) -> None:
    parts = {index: unpacked(samples / SSS / f"{index:06d}.pickle.pbz2") for index in INDEXES}
    whole = tmp_path / "NATS-sss-v1_0-50262.pickle.pbz2"
    whole.write_bytes(
        bz2.compress(pickle.dumps({"meta_archs": [], "arch2infos": parts, "evaluated_indexes": set(INDEXES)}))
    )
    space = SPACES["nats_sss"]
    one, other = (read_nats([file], "cifar10", space, 90) for file in (whole, samples / SSS))
    assert one.architectures == other.architectures
    assert {name: column.tolist() for name, column in one.columns.items()} == {
        name: column.tolist() for name, column in other.columns.items()
    }


def test_a_pth_file_reads_as_the_archive_does(samples: Path, tmp_path: Path) -> None:
    entries = {}
    for index in INDEXES:
        part = unpacked(samples / TSS / f"{index:06d}.pickle.pbz2")
        entries[index] = {"less": part["12"], "full": part["200"]}
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    contents = {"meta_archs": [], "arch2infos": entries, "evaluated_indexes": set(INDEXES)}
    space = SPACES["nasbench201"]
    expected = read_nats([samples / TSS], "cifar100", space, 200)
    for zipped in (True, False):
        torch.save(contents, path, _use_new_zipfile_serialization=zipped)
        found = read_pth([path], "cifar100", space)
        assert found.architectures == expected.architectures
        for name, column in expected.columns.items():
            assert found.columns[name].tolist() == column.tolist(), name


def test_a_table_and_its_manifest_are_written(samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "nats_sss_cifar10.csv"
    manifest = convert(BENCHMARKS["nats_sss"], [samples / SSS], "cifar10", out, partial=True)
    table = read_table(out, benchmark="nats_sss", space=SPACES["nats_sss"], dataset="cifar10")
    assert table.accuracies.tolist() == table.columns["test_90"].tolist()
    assert str(table.target) == "cifar10 test accuracy, 90 epochs, mean over the file's seeds"
    assert manifest_path(out).is_file()
    assert (manifest["architectures"], manifest["complete"]) == (3, False)
    other = read_table(out, benchmark="nats_sss", space=SPACES["nats_sss"], dataset="cifar10", target="validation_12")
    assert (other.target.split, other.target.epochs) == ("validation", 12)
    assert sorted(file.name for file in tmp_path.iterdir()) == [out.name, manifest_path(out).name]
    epochs, curves = table.curve("test_90")
    assert epochs == (1, 2, 4, 8, 16, 32, 64, 90)
    assert curves.shape == (3, 8)
    assert curves[:, -1].tolist() == table.accuracies.tolist()
    assert (curves[:, 0] < curves[:, -1]).all()
    early = read_table(out, benchmark="nats_sss", space=SPACES["nats_sss"], dataset="cifar10", target="test_90@8")
    assert str(early.target).startswith("cifar10 test accuracy, 8 epochs, ")
    assert str(early.target).endswith("the first epochs of 90")
    usual = read_table(out, benchmark="nats_sss", space=SPACES["nats_sss"], dataset="cifar10", target="test_90")
    assert usual.curve("test_90")[1].tolist() == curves.tolist()
    for wrong in ("params", "test_91"):
        with pytest.raises(InputError, match="unknown column of a training"):
            table.curve(wrong)


def test_a_part_must_be_asked_for(samples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have 32768 architectures, the files hold 3"):
        convert(BENCHMARKS["nats_sss"], [samples / SSS], "cifar10", tmp_path / "x.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-400], "end is missing"),
        (lambda _: b"no bzip2 at all", "whole bzip2 file"),
        (lambda data: bz2.compress(bz2.decompress(data)[:-500]), "must be a whole pickle"),
        (lambda _: bz2.compress(pickle.dumps({"12": Evil()})), "names posix.system|names nt.system"),
        (lambda _: bz2.compress(bytes(1 << 24)), "must not unpack to more than 200 times its size"),
        (lambda _: bz2.compress(pickle.dumps([1, 2])), "schedule of training"),
        (lambda _: bz2.compress(pickle.dumps({"12": {"arch_str": "8:8"}})), "arch_str and all_results"),
        (lambda _: bz2.compress(pickle.dumps({"12": {"arch_str": "8:8", "all_results": {}}})), "five of 8"),
    ],
)
def test_what_is_no_record_is_refused_with_a_sentence(samples: Path, tmp_path: Path, spoil: Any, message: str) -> None:
    folder = tmp_path / SSS
    folder.mkdir()
    shutil.copy(samples / SSS / "meta.pickle.pbz2", folder)
    original = (samples / SSS / "000011.pickle.pbz2").read_bytes()
    (folder / "000011.pickle.pbz2").write_bytes(spoil(original))
    with pytest.raises(InputError, match=message):
        read_nats([folder], "cifar10", SPACES["nats_sss"], 90)


def test_a_cut_pth_file_is_no_foreign_code(tmp_path: Path) -> None:
    path = tmp_path / "NAS-Bench-201-v1_0-e61699.pth"
    held = {"arch2infos": OrderedDict({0: torch.ones(2)})}
    torch.save(held, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    assert b"ccollections\nOrderedDict\n" in whole
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="must be a whole file that torch saved"):
            load_pth(path)


def test_a_pth_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "NAS-Bench-201-v1_0-e61699.pth"
    torch.save({"arch2infos": {0: Evil()}}, path)
    system = importlib.import_module(os.system.__module__).__name__
    with pytest.raises(InputError, match=rf"could run foreign code.*{system}\.system"):
        read_pth([path], "cifar10", SPACES["nasbench201"])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="must be a whole file"):
        read_pth([path], "cifar10", SPACES["nasbench201"])
    torch.save([1], path)
    with pytest.raises(InputError, match="must hold arch2infos"):
        read_pth([path], "cifar10", SPACES["nasbench201"])


def test_a_text_is_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("# dataset: cifar10\narchitecture,accuracy\n8:8:8:8:8,79\n")
    with pytest.raises(InputError, match=r"that torch saved, but reading it failed: it is no pickle$"):
        load_pth(path)
