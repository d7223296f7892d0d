from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from eznas.errors import InputError
from eznas.minibatch import Minibatch
from eznas.minibatch.types import resize

IMAGES = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
LABELS = torch.tensor([1, 0])


def batch(seed: int = 0) -> Minibatch:
    return Minibatch(IMAGES, LABELS, classes=2, source="test", seed=seed)


def test_the_digest_is_of_the_bytes() -> None:
    expected = hashlib.sha256(IMAGES.numpy().tobytes() + LABELS.numpy().tobytes()).hexdigest()
    assert batch().digest == expected
    assert batch(seed=3).digest == expected
    assert Minibatch(IMAGES + 1, LABELS, 2, "test").digest != expected
    assert Minibatch(IMAGES, 1 - LABELS, 2, "test").digest != expected


def test_bytes_are_those_of_every_type() -> None:
    halves = IMAGES.bfloat16()
    expected = hashlib.sha256(halves.view(torch.int16).numpy().tobytes() + LABELS.numpy().tobytes()).hexdigest()
    assert Minibatch(halves, LABELS, 2, "test").digest == expected
    for other in (IMAGES > 3, IMAGES.double(), IMAGES[:, :, ::2, 1:], torch.tensor(2.0)):
        parts = b"0", IMAGES.numpy().tobytes(), b"1", other.numpy().tobytes(), LABELS.numpy().tobytes()
        assert Minibatch((IMAGES, other), LABELS, 2, "test").digest == hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_minibatch_prints_in_one_line() -> None:
    assert repr(batch()) == "<Minibatch 2 images 3x4x4 of test, 2 classes, cpu>"


def test_noise_and_perturbation_come_from_the_seed() -> None:
    seeded = batch(seed=5)
    noise = torch.randn(IMAGES.shape, generator=torch.Generator().manual_seed(5))
    shift = torch.randn(IMAGES.shape, generator=torch.Generator().manual_seed(6))
    assert torch.equal(seeded.noise, noise)
    assert torch.equal(seeded.perturbed, IMAGES + 0.1 * shift)
    assert torch.equal(seeded.images, IMAGES)


def test_take_is_the_beginning() -> None:
    whole = batch()
    first = whole.take(1)
    assert torch.equal(first.images, IMAGES[:1])
    assert torch.equal(first.labels, LABELS[:1])
    assert (first.classes, first.source, len(first)) == (2, "test", 1)
    assert first.digest == Minibatch(IMAGES[:1], LABELS[:1], 2, "").digest
    assert whole.take(0) is whole.take(2) is whole


@pytest.mark.parametrize("count", [-1, 3])
def test_take_refuses_what_is_not_there(count: int) -> None:
    with pytest.raises(InputError, match=f"has 2 images, cannot take {count}"):
        batch().take(count)


def test_resized_changes_the_images_only() -> None:
    half = batch(seed=4).resized(2)
    assert half.images.shape == (2, 3, 2, 2)
    assert (half.seed, half.labels is LABELS) == (4, True)
    assert half.digest != batch().digest
    assert batch().resized(4).images is IMAGES
    with pytest.raises(InputError, match="pixels must be at least 1, got 0"):
        batch().resized(0)


def test_enlarging_is_plain_bilinear() -> None:
    expected = functional.interpolate(IMAGES, (8, 8), mode="bilinear")
    torch.testing.assert_close(resize(IMAGES, 8), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_resizing_keeps_constants_and_bounds(height: int, width: int, pixels: int) -> None:
    torch.testing.assert_close(
        resize(torch.full((1, 1, height, width), 3.0), pixels), torch.full((1, 1, pixels, pixels), 3.0)
    )
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height))
    small = resize(images, pixels)
    assert small.min() >= images.min() - 1e-5
    assert small.max() <= images.max() + 1e-5


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 1, 32, 32).contiguous()
    assert (resize(stripes, 4) - 0.5).abs().max() < 0.05


def test_to_moves_both_tensors() -> None:
    moved = batch().to("meta")
    assert moved.images.device.type == moved.labels.device.type == moved.noise.device.type == "meta"
    assert moved.digest == batch().digest


def test_noise_leaves_the_global_random_state() -> None:
    before = torch.random.get_rng_state()
    _ = batch().noise, batch().perturbed
    assert torch.equal(torch.random.get_rng_state(), before)


def test_rows_with_a_single_one_give_as_many_classes_as_columns() -> None:
    made = Minibatch.of((IMAGES, functional.one_hot(LABELS, 50)))
    assert made.classes == 50
    assert torch.equal(made.labels, LABELS)
    assert Minibatch.of((IMAGES, LABELS + 2)).classes == 4


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor(1), r"of shape \(2,\) for 2 images; got shape \(\)"),
        (torch.tensor([1]), r"of shape \(2,\) for 2 images; got shape \(1,\)"),
        (torch.tensor([[1], [0]]), r"of shape \(2,\) for 2 images; got shape \(2, 1\)"),
        (torch.tensor([1, -1]), "labels must be classes from 0; the least is -1"),
    ],
)
def test_labels_are_one_class_an_image(labels: torch.Tensor, message: str) -> None:
    for make in (lambda: Minibatch(IMAGES, labels, 2, "test"), lambda: Minibatch.of((IMAGES, labels))):
        with pytest.raises(InputError, match=message):
            make()
