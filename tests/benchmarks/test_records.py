from __future__ import annotations

import base64
import json
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eznas.benchmarks import BENCHMARKS
from eznas.benchmarks.conversion import convert
from eznas.benchmarks.convert.macro import read_macro
from eznas.benchmarks.convert.nasbench101 import read_nasbench101
from eznas.benchmarks.convert.tfrecord import crc32c, fields, masked, records
from eznas.benchmarks.convert.zc import read_zc
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NB101 = SPACES["nasbench101"]


def framed(data: bytes) -> bytes:
    """A record as TensorFlow writes it."""
    header = struct.pack("<Q", len(data))
    return header + struct.pack("<I", masked(crc32c(header))) + data + struct.pack("<I", masked(crc32c(data)))


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def evaluation(epoch: float, seconds: float, validation: float, test: float) -> bytes:
    numbers = enumerate((epoch, seconds, 0.99, validation, test), 1)
    inner = b"".join(varint(field << 3 | 1) + struct.pack("<d", value) for field, value in numbers)
    inner += varint(6 << 3 | 2) + varint(4) + b"ckpt"
    return varint(1 << 3 | 2) + varint(len(inner)) + inner


def training(
    epochs: int, test: float, *, name: str = "a1", operations: str = "input,conv3x3-bn-relu,output", halves: int = 3
) -> bytes:
    evaluations = [evaluation(0, 0, 0.1, 0.1), evaluation(epochs / 2, 5, 0.5, 0.4), evaluation(epochs, 10, 0.75, test)]
    metrics = (
        b"".join(evaluations[:halves]) + varint(2 << 3) + varint(300_000) + varint(3 << 3 | 1) + struct.pack("<d", 12)
    )
    return json.dumps([name, epochs, "010001000", operations, base64.b64encode(metrics).decode()]).encode()


def test_crc32c_has_the_published_values() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720
    assert crc32c(b"\xff" * 32) == 0x62A8AB43


def test_fields_of_a_message() -> None:
    message = (
        varint(1 << 3) + varint(300) + varint(2 << 3 | 2) + b"\x02hi" + varint(3 << 3 | 1) + struct.pack("<d", 2.5)
    )
    assert list(fields(message)) == [(1, 300), (2, b"hi"), (3, 2.5)]
    assert list(fields(varint(4 << 3 | 5) + struct.pack("<f", 0.5))) == [(4, 0.5)]
    for cut in (b"\x80", message[:-1], varint(1 << 3 | 2) + b"\x09", varint(1 << 3 | 7)):
        with pytest.raises(ValueError, match=r"number|longer|wire type"):
            list(fields(cut))


def test_trainings_become_columns(tmp_path: Path) -> None:
    path = tmp_path / "nasbench_full.tfrecord"
    other = training(108, 0.5, name="b2", operations="input,maxpool3x3,output")
    path.write_bytes(b"".join(map(framed, [training(108, 0.9), training(108, 0.93), training(4, 0.3), other])))
    found = read_nasbench101([path], "cifar10", NB101)
    assert found.architectures == ("010/001/000 input,conv3x3-bn-relu,output", "010/001/000 input,maxpool3x3,output")
    assert found.columns["test_108"].tolist() == pytest.approx([91.5, 50])
    assert found.columns["test_108_seed1"].tolist()[0] == pytest.approx(93)
    assert found.columns["test_108@54"].tolist() == pytest.approx([40, 40])
    assert found.columns["test_4"].tolist()[0] == pytest.approx(30)
    assert found.columns["params"].tolist() == [300_000, 300_000]
    assert found.columns["train_seconds_108"].tolist() == [10, 10]
    assert (found.usual, found.target.split, found.target.epochs) == ("test_108", "test", 108)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (framed(training(108, 0.9))[:-3], "ends within the record at byte 0"),
        (framed(training(108, 0.9)) + b"\x01\x02", "ends within the record"),
        (b"x" * 64, "at byte 0 there is no record"),
        (framed(training(108, 0.9)).replace(b"conv3x3", b"conv9x9"), "is damaged"),
        (framed(b"[1, 2]"), "record 0: must be one training of a cell"),
        (framed(training(108, 0.9, operations="input,conv5x5,output")), "unknown operation of nasbench101"),
        (framed(training(108, 0.9, halves=2)), "3 evaluations, got 2"),
        (b"", "it is empty"),
        (framed(training(4, 0.9)), "trainings of 108 epochs"),
    ],
)
def test_what_is_no_record_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_nasbench101([path], "cifar10", NB101)


def test_a_missing_record_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can be read"):
        list(records(tmp_path / "absent"))


def pickled(**changes: object) -> dict[str, object]:
    """What NASLib's file holds: by hash, what the official reader returns for a cell."""
    final = {"final_validation_accuracy": 0.75, "final_test_accuracy": 0.9, "final_training_time": 10.0}
    halfway = {"halfway_validation_accuracy": 0.5, "halfway_test_accuracy": 0.4, "halfway_training_time": 5.0}
    matrix = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.int8)
    fixed: dict[str, object] = {
        "module_adjacency": matrix,
        "module_operations": ["input", "conv3x3-bn-relu", "output"],
        "trainable_parameters": 300_000,
    }
    other = {**final, "final_test_accuracy": np.float64(0.93)}
    return {"a1": (fixed | changes, {108: [{**halfway, **final}, {**halfway, **other}]})}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("kind", ["int8", "int64", "bool", "list"])
def test_the_pickled_form_reads_as_the_records_do(tmp_path: Path, kind: str, protocol: int) -> None:
    matrix = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    adjacency = matrix.tolist() if kind == "list" else matrix.astype(kind)
    path = tmp_path / "nasbench_only108.pkl"
    path.write_bytes(pickle.dumps(pickled(module_adjacency=adjacency), protocol))
    records_path = tmp_path / "nasbench_only108.tfrecord"
    records_path.write_bytes(framed(training(108, 0.9)) + framed(training(108, 0.93)))
    one, other = (read_nasbench101([file], "cifar10", NB101) for file in (path, records_path))
    assert one.architectures == other.architectures
    assert one.columns.keys() == other.columns.keys()
    for name, column in one.columns.items():
        assert column.tolist() == pytest.approx(other.columns[name].tolist()), name


class Command:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("false",)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (Command(), r"names \w+\.system, which such a file does not need"),
        ({"a1": Command()}, r"names \w+\.system"),
        ([1], "must hold a dictionary from hashes to cells, got list"),
        ({}, "it is empty"),
        ({"a1": (1, 2)}, "a1: must be a cell and its trainings"),
        ({"a1": ({}, {})}, "module_adjacency"),
        (pickled(module_operations=["input", "conv5x5", "output"]), "unknown operation of nasbench101"),
        (pickled(module_adjacency=np.zeros((3, 3)) + 0.5), "no square of whole numbers"),
        (pickled(trainable_parameters="many"), "'many' is no finite number"),
    ],
)
def test_what_is_no_pickled_form_is_refused(tmp_path: Path, contents: object, message: str) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(contents, 2 if isinstance(contents, Command) else 4))
    with pytest.raises(InputError, match=message):
        read_nasbench101([path], "cifar10", NB101)


def test_a_cut_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(pickled())[:-20])
    with pytest.raises(InputError, match="must be a whole pickle"):
        read_nasbench101([path], "cifar10", NB101)
    with pytest.raises(InputError, match="can be read"):
        read_nasbench101([tmp_path / "absent.pkl"], "cifar10", NB101)


ZC = {
    "nasbench201": (
        "(3, 0, 0, 4, 2, 0)",
        "|nor_conv_1x1~0|+|skip_connect~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    ),
    "transnas_micro": ("(1, 0, 0, 2, 1, 3)", "64-41414-1_00_213"),
    "transnas_macro": ("(1, 2, 4, 2, 0, 0)", "64-1242-basic"),
    "nasbench101": ("(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 3, 1)", "010/001/000 input,conv1x1-bn-relu,output"),
}


@pytest.mark.parametrize("space", ZC)
def test_published_scores_become_columns(tmp_path: Path, space: str) -> None:
    text, ours = ZC[space]
    path = tmp_path / "zc.json"
    entry = {"id": 3, "val_accuracy": 61.5, "synflow": {"score": 2.5, "time": 0.1}, "zen": {"score": None, "time": 1}}
    path.write_text(json.dumps({"some": {text: entry}}))
    found = read_zc([path], "some", SPACES[space])
    assert found.architectures == (ours,)
    columns = {name: column.tolist() for name, column in found.columns.items()}
    assert columns == {"val_accuracy": [61.5], "synflow": [2.5], "seconds_synflow": [0.1]}


def test_scores_are_found_under_the_data_set_s_name_in_their_files(tmp_path: Path) -> None:
    path = tmp_path / "zc_nasbench201.json"
    text, ours = ZC["nasbench201"]
    path.write_text(json.dumps({"cifar10": {}, "ImageNet16-120": {text: {"val_accuracy": 40.5}}}))
    info = BENCHMARKS["zc_nasbench201"]
    assert "imagenet16-120" in info.datasets
    assert info.convert is not None
    found = info.convert([path], "imagenet16-120")
    assert (found.architectures, found.target.dataset) == ((ours,), "imagenet16-120")
    manifest = convert(info, [path], "ImageNet16-120", tmp_path / "t.csv", partial=True)
    assert manifest["dataset"] == "imagenet16-120"


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([], "must hold scores on some, it holds: nothing by name"),
        ({"other": {}}, "must hold scores on some, it holds: other"),
        ({"some": {"__import__('os')": {"val_accuracy": 1}}}, "must be an architecture of nasbench201"),
        ({"some": {"(9, 9, 9, 9, 9, 9)": {"val_accuracy": 1}}}, "must be an architecture of nasbench201"),
        ({"some": {"(0, 0, 0, 0, 0, 0)": {}}}, "a number as val_accuracy"),
    ],
)
def test_what_holds_no_scores_is_refused(tmp_path: Path, contents: Any, message: str) -> None:
    path = tmp_path / "zc.json"
    path.write_text(json.dumps(contents))
    with pytest.raises(InputError, match=message):
        read_zc([path], "some", SPACES["nasbench201"])


def test_real_notations_are_read(real: Callable[[str], Any], tmp_path: Path) -> None:
    published = real("published_scores_nbsuite_zero")
    for name, space in (("nasbench101", "nasbench101"), ("nasbench301", "darts"), ("nasbench201", "nasbench201")):
        rows = published[name]["cifar10"]
        path = tmp_path / "zc.json"
        entries = {
            text: {"val_accuracy": value} for text, value in zip(rows["arch"], rows["val_accuracy"], strict=True)
        }
        path.write_text(json.dumps({"cifar10": entries}))
        found = read_zc([path], "cifar10", SPACES[space])
        assert len(found.architectures) > 0.6 * len(entries)  # vertices on no path are left out, and leave repeats


def test_macro_is_read(tmp_path: Path) -> None:
    path = tmp_path / "macro.json"
    entry = {"test_acc": [90.0, 91.0, 92.0], "mean_acc": 91.0, "std": 0.8, "params": 1000, "flops": 5}
    path.write_text(json.dumps({"00000012": entry}))
    found = read_macro([path], "cifar10", SPACES["nasbench_macro"])
    assert {name: column.tolist() for name, column in found.columns.items()} == {
        "test_50": [91],
        "test_50_seed0": [90],
        "test_50_seed1": [91],
        "test_50_seed2": [92],
        "params": [1000],
        "flops": [5],
    }
    path.write_text(json.dumps({"00000012": {}}))
    with pytest.raises(InputError, match="a list of accuracies as test_acc"):
        read_macro([path], "cifar10", SPACES["nasbench_macro"])
