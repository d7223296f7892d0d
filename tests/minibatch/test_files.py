from __future__ import annotations

import os
import pickle
import tarfile
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import loadmat, savemat

from eznas.errors import InputError
from eznas.minibatch import load_minibatch

RNG = np.random.default_rng(0)
UINT8 = RNG.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(12) % 4


def saved(folder: Path, **arrays: object) -> str:
    path = folder / "images.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def normalised(images: Any) -> Any:
    images = images.astype(np.float64)
    return (images - images.mean((0, 1, 2))) / images.std((0, 1, 2))


def test_an_archive_gives_its_own_images_and_labels(tmp_path: Path) -> None:
    batch = load_minibatch(saved(tmp_path, images=UINT8, labels=LABELS), 12, pixels=6)
    expected = normalised(UINT8).transpose(0, 3, 1, 2)
    for image, label in zip(batch.images.numpy(), batch.labels.tolist(), strict=True):
        index = np.abs(expected - image).max((1, 2, 3)).argmin()
        np.testing.assert_allclose(expected[index], image, atol=1e-5)
        assert LABELS[index] == label
    assert batch.classes == 4
    assert len(np.unique(batch.images.flatten(1).numpy(), axis=0)) == 12


def test_layouts_and_names_are_equal(tmp_path: Path) -> None:
    forms: list[dict[str, Any]] = [
        {"images": UINT8, "labels": LABELS},
        {"x_train": UINT8, "y_train": LABELS[:, None].astype(np.uint8), "x_test": UINT8[:1], "y_test": LABELS[:1]},
        {"images": UINT8.transpose(0, 3, 1, 2).astype(np.float32), "labels": LABELS},
        {"images": UINT8 / 255, "labels": LABELS},
    ]
    batches = [load_minibatch(saved(tmp_path, **form), 5, pixels=8, seed=2) for form in forms]
    for batch in batches[1:]:
        torch.testing.assert_close(batch.images, batches[0].images, rtol=1e-4, atol=1e-4)
        assert torch.equal(batch.labels, batches[0].labels)


@pytest.mark.parametrize("shape", [(12, 6, 6), (12, 6, 6, 1), (12, 1, 6, 6)])
def test_grey_images_get_three_channels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path, images=UINT8[..., 0].reshape(shape), labels=LABELS)
    batch = load_minibatch(path, 12, pixels=6)
    assert batch.images.shape == (12, 3, 6, 6)
    assert torch.equal(batch.images[:, 0], batch.images[:, 1])
    assert batch.images.std(correction=0).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": UINT8}, "must hold images and labels, or x_train and y_train; it holds: pictures"),
        ({"images": UINT8, "labels": LABELS[:5]}, "must be 12 integers, one an image, got int64 of shape"),
        ({"images": UINT8, "labels": LABELS / 2}, "must be 12 integers, one an image, got float64"),
        ({"images": UINT8, "labels": LABELS - 1}, "must be at least 0, got -1"),
        ({"images": UINT8.astype(np.int32), "labels": LABELS}, "must be uint8 or floating, got int32"),
        ({"images": UINT8[..., :2], "labels": LABELS}, r"must have shape .* got \(12, 6, 6, 2\)"),
        ({"images": UINT8[0, 0], "labels": LABELS}, r"must have shape .* got \(6, 3\)"),
        ({"images": UINT8[:0], "labels": LABELS[:0]}, r"must have shape .* got \(0, 6, 6, 3\)"),
        ({"images": UINT8 * np.nan, "labels": LABELS}, "must be finite"),
        ({"images": UINT8 * 0, "labels": LABELS}, "must differ in every channel"),
        ({"images": UINT8, "labels": LABELS.astype(object)}, "must be a whole .npz file without objects"),
        ({"images": UINT8[:3], "labels": LABELS[:3]}, "must be at most 3, the number of images of .*, got 4"),
    ],
)
def test_unusable_archives_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_minibatch(path, 4)
    assert path in str(caught.value)


def test_damaged_archives_and_other_files_are_refused(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, images=UINT8, labels=LABELS))
    whole = path.read_bytes()
    bare = BytesIO()
    np.save(bare, UINT8)
    for data in (b"", b"text", whole[:200], whole[:-30], bare.getvalue()):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"must be a whole \.npz file"):
            load_minibatch(str(path), 4)
    other = tmp_path / "images.txt"
    other.write_text("x")
    with pytest.raises(InputError, match=r"must be an \.npz or \.mat file or a directory"):
        load_minibatch(str(other), 4)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_flipped_bytes_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, place: int, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("archive") / "images.npz"
    np.savez_compressed(path, images=UINT8, labels=LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with suppress(InputError):
        load_minibatch(str(path), 2)


def cifar(folder: Path, name: str, rows: np.ndarray[Any, Any], key: bytes) -> None:
    values = RNG.integers(0, 7, len(rows)).tolist()
    data = {b"data": rows, key: values, b"filenames": [b"x.png"] * len(rows), b"batch_label": b"one"}
    (folder / name).write_bytes(pickle.dumps(data, 4))


def rows(count: int) -> np.ndarray[Any, Any]:
    return RNG.integers(0, 256, (count, 3072), dtype=np.uint8)


def test_cifar_10_batches_are_put_together(tmp_path: Path) -> None:
    parts = [rows(4), rows(3)]
    for number, part in enumerate(parts, 1):
        cifar(tmp_path, f"data_batch_{number}", part, b"labels")
    (tmp_path / "test_batch").write_bytes(b"not read")
    batch = load_minibatch(str(tmp_path), 7, seed=1)
    pixels = np.concatenate(parts).reshape(7, 3, 32, 32).transpose(0, 2, 3, 1)
    expected = np.sort(normalised(pixels)[:, 0, 0, 0])
    np.testing.assert_allclose(np.sort(batch.images[:, 0, 0, 0].numpy()), expected, atol=1e-5)


def test_cifar_100_has_fine_labels(tmp_path: Path) -> None:
    data = {b"data": rows(5), b"fine_labels": [99, 3, 98, 0, 1], b"coarse_labels": [1] * 5}
    (tmp_path / "train").write_bytes(pickle.dumps(data, 4))
    batch = load_minibatch(str(tmp_path), 5)
    assert sorted(batch.labels.tolist()) == [0, 1, 3, 98, 99]
    assert batch.classes == 100


def test_cifar_batches_of_python_2_are_read(tmp_path: Path) -> None:
    text = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
        b"U\x01b\x87Rq\x05(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x18\x00\x00" + rows(2).tobytes() + b"tb"
        b"U\x06labelsq\x08]q\x09(K\x03K\x05eu."
    )
    (tmp_path / "data_batch_1").write_bytes(text)
    batch = load_minibatch(str(tmp_path), 2)
    assert sorted(batch.labels.tolist()) == [3, 5]


class Command:
    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.text,)


@pytest.mark.parametrize("hidden", ["alone", "in an array"])
def test_a_batch_that_names_a_command_is_refused(tmp_path: Path, hidden: str) -> None:
    made = tmp_path / "made"
    value = Command(f"touch {made}")
    array = np.array([[value]], dtype=object)
    data = {b"data": array if hidden == "in an array" else value, b"labels": [0]}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(data, 4))
    with pytest.raises(InputError, match=r"data_batch_1 names \w+\.system"):
        load_minibatch(str(tmp_path), 1)
    assert not made.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], "must hold a dictionary, got list"),
        ({b"labels": [1]}, "must hold images under 'data', as an array of n x 3072 uint8"),
        ({b"data": rows(2)[:, :10], b"labels": [1, 2]}, "must hold images under 'data', as an array of n x 3072 uint8"),
        ({b"data": rows(2)}, "must hold a list of integers"),
        ({b"data": rows(2), b"labels": ["a", "b"]}, "must hold a list of integers"),
        ({b"data": rows(2), b"labels": [1]}, "must be 2 integers, one an image"),
        ({b"data": np.full((1, 3072), None), b"labels": [1]}, "must hold images under 'data'"),
        ({b"data": rows(2).astype(np.int64), b"labels": [1, 2]}, "must hold images under 'data'"),
    ],
)
def test_unusable_batches_are_refused(tmp_path: Path, data: object, message: str) -> None:
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(data, 4))
    with pytest.raises(InputError, match=message):
        load_minibatch(str(tmp_path), 1)


def test_a_truncated_batch_is_refused(tmp_path: Path) -> None:
    cifar(tmp_path, "data_batch_1", rows(2), b"labels")
    path = tmp_path / "data_batch_1"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="data_batch_1 must be a whole pickle"):
        load_minibatch(str(tmp_path), 1)


def small(folder: Path, number: int, labels: list[int], *, text: bool) -> np.ndarray[Any, Any]:
    """A batch of ImageNet16, with keys as Python 3 or Python 2 pickles them."""
    pixels = RNG.integers(0, 256, (len(labels), 768), dtype=np.uint8)
    data: dict[str | bytes, object] = {"data": pixels, "labels": labels, "mean": pixels.mean(0)}
    if not text:
        data = {str(key).encode(): value for key, value in data.items()}
    (folder / f"train_data_batch_{number}").write_bytes(pickle.dumps(data, 4))
    return pixels


@pytest.mark.parametrize("text", [True, False])
def test_imagenet16_has_its_first_120_classes(tmp_path: Path, text: bool) -> None:
    one = small(tmp_path, 1, [1, 120, 121, 1000], text=text)
    other = small(tmp_path, 2, [121, 7], text=text)
    batch = load_minibatch(str(tmp_path), 3, pixels=16)
    assert (sorted(batch.labels.tolist()), batch.classes) == ([0, 6, 119], 120)
    kept = np.stack([one[0], one[1], other[1]]).reshape(3, 3, 16, 16).transpose(0, 2, 3, 1)
    expected = normalised(kept).transpose(0, 3, 1, 2)[[[0, 119, 6].index(label) for label in batch.labels.tolist()]]
    np.testing.assert_allclose(batch.images.numpy(), expected, atol=1e-5)


def test_unusable_imagenet16_is_refused(tmp_path: Path) -> None:
    small(tmp_path, 1, [121, 500], text=True)
    with pytest.raises(InputError, match="must have images of the classes 1 to 120, it has none"):
        load_minibatch(str(tmp_path), 1)
    path = tmp_path / "train_data_batch_1"
    for contents, message in (
        ({"data": rows(2), "labels": [1, 2]}, "array of n x 768 uint8"),
        ({"data": rows(1).reshape(4, 768), "labels": [1, 2]}, "as many labels as images, got 2 and 4"),
        ({"data": rows(1).reshape(4, 768), "labels": [1, 2, 3, 10**30]}, "must hold a list of integers"),
        ({"data": Command("false"), "labels": [1]}, r"names \w+\.system"),
    ):
        path.write_bytes(pickle.dumps(contents, 4))
        with pytest.raises(InputError, match=message):
            load_minibatch(str(tmp_path), 1)


def digits(path: Path, **changes: object) -> np.ndarray[Any, Any]:
    """A file in SVHN's form: digit 0 is labelled 10."""
    pixels = RNG.integers(0, 256, (32, 32, 3, 6), dtype=np.uint8)
    savemat(path, {"X": pixels, "y": np.array([[10], [1], [2], [9], [10], [5]], dtype=np.uint8)} | changes)
    return pixels


@pytest.mark.parametrize("compressed", [True, False])
def test_svhn_is_read(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "train_32x32.mat"
    pixels = digits(path)
    if compressed:
        loaded = loadmat(path)
        savemat(path, {name: loaded[name] for name in ("X", "y")}, do_compression=True)
    one, other = (load_minibatch(str(place), 6, pixels=32) for place in (path, tmp_path))
    assert torch.equal(one.images, other.images)
    assert (sorted(one.labels.tolist()), one.classes) == ([0, 0, 1, 2, 5, 9], 10)
    expected = normalised(pixels.transpose(3, 0, 1, 2)).transpose(0, 3, 1, 2)
    for image, label in zip(one.images.numpy(), one.labels.tolist(), strict=True):
        assert [0, 1, 2, 9, 0, 5][np.abs(expected - image).max((1, 2, 3)).argmin()] == label
        assert np.abs(expected - image).max((1, 2, 3)).min() < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((3, 4))}, "must hold X, images of shape h x w x 3 x n"),
        ({"y": np.array([[0]] * 6)}, "whole numbers from 1 to 10"),
        ({"y": np.array([[0.5]] * 6)}, "whole numbers from 1 to 10"),
        ({"y": np.array([[1]] * 5)}, "must be 6 integers"),
    ],
)
def test_unusable_svhn_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    digits(tmp_path / "train_32x32.mat", **changes)
    with pytest.raises(InputError, match=message):
        load_minibatch(str(tmp_path), 2)


def test_damaged_svhn_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    digits(path)
    whole = path.read_bytes()
    for data in (b"", b"text", whole[:200], whole[:-5000]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"x\.mat must"):
            load_minibatch(str(path), 2)


def picture(path: Path, value: int, size: tuple[int, int] = (9, 5), mode: str = "RGB") -> None:
    path.parent.mkdir(exist_ok=True)
    noise = RNG.integers(0, 20, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise + np.uint8(value)).convert(mode).save(path)


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png", 200)
    picture(tmp_path / "cat" / "1.JPG", 20, (30, 40))
    picture(tmp_path / "cat" / "2.png", 20, mode="L")
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "bat").mkdir()
    batch = load_minibatch(str(tmp_path), 3, pixels=8)
    assert sorted(batch.labels.tolist()) == [0, 0, 1]
    assert batch.classes == 2
    assert batch.images[batch.labels == 1].mean() > 1 > batch.images[batch.labels == 0].mean()
    assert abs(batch.images.mean().item()) < 1e-5


def test_pictures_without_two_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a sub-folder of pictures for each class, .* holds none of these"):
        load_minibatch(str(tmp_path), 1)
    for number in range(3):
        picture(tmp_path / f"{number}.png", 10 * number)
    with pytest.raises(InputError, match="it holds 3 pictures without classes: sort them into a folder for each class"):
        load_minibatch(str(tmp_path), 1)
    picture(tmp_path / "cat" / "1.png", 3)
    picture(tmp_path / ".thumbnails" / "1.png", 3)
    picture(tmp_path / "dog" / "._1.png", 3)
    with pytest.raises(InputError, match="it has one class, cat: sort the pictures"):
        load_minibatch(str(tmp_path), 1)
    picture(tmp_path / "dog" / "1.png", 30)
    assert load_minibatch(str(tmp_path), 2).classes == 2


@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "imagenet16", "svhn", "classes"])
def test_images_one_level_below_are_named(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    match kind:
        case "cifar10":
            cifar(folder, "data_batch_1", rows(2), b"labels")
        case "cifar100":
            cifar(folder, "train", rows(2), b"fine_labels")
        case "imagenet16":
            small(folder, 1, [1, 2], text=True)
        case "svhn":
            digits(folder / "train_32x32.mat")
        case _:
            picture(folder / "dog" / "1.png", 200)
            picture(folder / "cat" / "1.png", 20)
    with pytest.raises(InputError, match=f"its images are one level below: give {folder}$"):
        load_minibatch(str(tmp_path), 1)
    assert len(load_minibatch(str(folder), 2)) == 2


def test_archives_are_not_read_but_named_with_the_folder_in_them(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    cifar(folder, "data_batch_1", rows(2), b"labels")
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    with pytest.raises(InputError, match=rf"must be unpacked first \(tar -xf {path.name}\); then give {folder}$"):
        load_minibatch(str(path), 1)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"must be an \.npz or \.mat file or a directory|cannot be read"):
        load_minibatch(str(path), 1)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as zipped:
        zipped.writestr("a.txt", "a")
    with pytest.raises(InputError, match=r"must be unpacked first \(unzip images\.zip\)"):
        load_minibatch(str(tmp_path / "images.zip"), 1)


def test_damaged_pictures_are_refused(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        picture(tmp_path / name / "1.png", 3)
    whole = (tmp_path / "cat" / "1.png").read_bytes()
    for data in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "cat" / "1.png").write_bytes(data)
        with pytest.raises(InputError, match=r"1\.png must be a picture, but reading failed"):
            load_minibatch(str(tmp_path), 2)


def test_real_archives_read(shared_data: Path) -> None:
    batch = load_minibatch(str(shared_data / "cifar10_sample_3000_500.npz"), 64)
    assert batch.images.shape == (64, 3, 32, 32)
    assert (batch.classes, len(set(batch.labels.tolist()))) == (10, 10)
    assert abs(batch.images.mean().item()) < 0.2
    tiny = load_minibatch(str(shared_data / "tiny16_120_sample.npz"), 16, pixels=32)
    assert tiny.classes == 120
