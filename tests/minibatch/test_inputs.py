"""Minibatches of other inputs than images, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from eznas.errors import InputError
from eznas.minibatch import Minibatch, load_minibatch
from eznas.minibatch.inputs import load_inputs

if TYPE_CHECKING:
    from pathlib import Path

IDS = np.arange(12).reshape(4, 3)
MASK = IDS % 3 < 2
LABELS = np.array([1, 0, 2, 1])


def saved(folder: Path, *arrays: Any, **named: Any) -> Path:
    path = folder / "inputs.npz"
    np.savez(path, *arrays, **named)
    return path


def test_named_arrays_are_named_arguments(tmp_path: Path) -> None:
    path = saved(tmp_path, input_ids=IDS.astype(np.int16), attention_mask=MASK, labels=LABELS)
    for batch in (load_inputs(path), load_minibatch(str(path), 4)):
        assert list(batch.images) == ["input_ids", "attention_mask"]
        assert (batch.images["input_ids"].dtype, batch.images["attention_mask"].dtype) == (torch.int64, torch.bool)
        assert np.array_equal(batch.images["input_ids"], IDS)
        assert (batch.classes, len(batch), batch.source) == (3, 4, str(path))
    assert repr(batch) == f"<Minibatch 4 images input_ids 3, attention_mask 3 of {path}, 3 classes, cpu>"
    assert batch.shape == {"input_ids": (4, 3), "attention_mask": (4, 3)}
    assert batch.resized(8) is batch


def test_one_array_and_numbered_arrays_have_no_names(tmp_path: Path) -> None:
    alone = load_inputs(saved(tmp_path, sound=IDS.astype(np.float64)))
    assert (alone.images.dtype, alone.images.tolist(), len(alone.labels)) == (torch.float32, IDS.tolist(), 0)
    first, second = load_inputs(saved(tmp_path, IDS, MASK, labels=LABELS)).images
    assert np.array_equal(first, IDS)
    assert np.array_equal(second, MASK)


def test_samples_are_drawn_with_their_labels(tmp_path: Path) -> None:
    path = saved(tmp_path, ids=IDS, scale=np.array([2.0]), labels=LABELS)
    batch = load_inputs(path, 2, seed=1)
    for row, label in zip(batch.images["ids"], batch.labels, strict=True):
        assert LABELS[int(row[0]) // 3] == int(label)
    assert batch.images["scale"].tolist() == [2.0]
    assert {tuple(map(tuple, load_inputs(path, 2, seed=seed).images["ids"].tolist())) for seed in range(9)} != {
        tuple(map(tuple, batch.images["ids"].tolist()))
    }
    assert np.array_equal(load_inputs(path, 9).images["ids"], IDS)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"labels": LABELS}, "must hold an array of a network's inputs"),
        ({"scale": np.array(2.0), "labels": LABELS}, "must hold an array of a network's inputs"),
        ({"ids": IDS, "labels": LABELS[:2]}, "must have 4 rows, one a sample, got 2"),
        ({"ids": IDS, "labels": np.array(2)}, "must have 4 rows, one a sample, got a single number"),
        ({"ids": IDS.astype(object), "labels": LABELS}, "without objects"),
        ({"ids": IDS.astype(str), "labels": LABELS}, "the array ids of .* must hold integers, booleans or numbers"),
        ({"x": np.full((4, 2), np.inf), "labels": LABELS}, "the array x of .* must be finite"),
        ({"ids": IDS, "labels": LABELS / 2}, "targets of a regression have no classes and need a loss"),
        ({"attention_mask": IDS, "mask": MASK, "labels": LABELS}, "must hold a tensor that is no mask"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_inputs(saved(tmp_path, **arrays))


def test_a_loss_takes_labels_of_any_kind(tmp_path: Path) -> None:
    batch = load_inputs(saved(tmp_path, ids=IDS, labels=LABELS / 2), loss=torch.nn.functional.mse_loss)
    assert batch.labels.tolist() == (LABELS / 2).tolist()
    assert batch.classes == 1


def test_batches_of_several_kinds() -> None:
    ids, mask, labels = torch.from_numpy(IDS), torch.from_numpy(MASK), torch.from_numpy(LABELS)
    named = {"ids": ids, "mask": mask, "labels": labels}
    for data in (named, DataLoader([{name: named[name][row] for name in named} for row in range(4)], batch_size=4)):
        batch = Minibatch.of(data)
        assert list(batch.images) == ["ids", "mask"]
        assert torch.equal(batch.labels, labels)
    pair = Minibatch.of(([mask, ids], labels))
    assert pair.main_input is pair.images[1]
    texts = Minibatch.of((ids, ids.masked_fill(~mask, -100)))
    assert (texts.classes, texts.labels.shape) == (11, (4, 3))
    tags = Minibatch.of((ids, torch.eye(3, dtype=torch.int64)[[0, 1, 2, 0]]))
    assert tags.labels.shape == (4, 3)  # a class for each token, although each row has a single one
    with pytest.raises(InputError, match="the least is -1"):
        Minibatch.of((ids, ids - 1))


def test_labels_of_a_dictionary_are_lists_and_arrays_too() -> None:
    ids = torch.from_numpy(IDS)
    for labels in (LABELS, LABELS.tolist()):
        batch = Minibatch.of({"ids": ids, "labels": labels})
        assert (batch.labels.tolist(), batch.labels.dtype, batch.classes) == (LABELS.tolist(), torch.int64, 3)
    with pytest.raises(InputError, match=r"labels must be a tensor, or numbers .* got a list"):
        Minibatch.of({"ids": ids, "labels": ["one", "two"]})
    with pytest.raises(InputError, match=r"must hold a tensor that is no mask; they hold ndarray; torch\.as_tensor"):
        Minibatch.of({"ids": IDS, "labels": LABELS})


def test_more_than_a_pair_is_refused() -> None:
    ids, mask, labels = torch.from_numpy(IDS), torch.from_numpy(MASK), torch.from_numpy(LABELS)
    loader = DataLoader(TensorDataset(ids, mask, labels), batch_size=4)
    for data in (loader, (ids, mask, labels), [(ids, mask), labels, labels]):
        with pytest.raises(InputError, match="must be a pair of inputs and labels, got 3 members") as caught:
            Minibatch.of(data)
        assert "((first, second), labels)" in str(caught.value)
    assert Minibatch.of((ids, labels, ["names"])).labels.tolist() == LABELS.tolist()


def test_parts_of_a_minibatch_of_several_inputs() -> None:
    ids, mask, labels = torch.from_numpy(IDS), torch.from_numpy(MASK), torch.from_numpy(LABELS)
    batch = Minibatch({"ids": ids, "mask": mask, "scale": torch.tensor(2.0), "flag": True}, labels, 3, "test")
    first = batch.take(2)
    assert torch.equal(first.images["mask"], mask[:2])
    assert (first.images["flag"], len(first), first.labels.tolist()) == (True, 2, [1, 0])
    assert len({batch.digest, first.digest, Minibatch({**batch.images, "flag": False}, labels, 3, "test").digest}) == 3
    assert batch.to("meta").images["scale"].device.type == "meta"
    with pytest.raises(InputError, match="noise must be of a tensor of floating point"):
        _ = batch.noise
    with pytest.raises(InputError, match="images must be a tensor, a tuple or a dictionary of tensors; got a str"):
        Minibatch("text", labels, 3, "test")
    louder = Minibatch(ids.float(), labels, 3, "test", deviation=3.0)
    torch.testing.assert_close(louder.noise, 3 * Minibatch(ids.float(), labels, 3, "test").noise)
