from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from eznas.errors import InputError
from eznas.minibatch import SOURCES, load_minibatch


def test_all_digits_are_normalised() -> None:
    batch = load_minibatch("digits", 1797, pixels=8)
    assert batch.images.shape == (1797, 3, 8, 8)
    assert batch.images.dtype == torch.float32
    assert batch.labels.dtype == torch.int64
    assert abs(batch.images.mean().item()) < 1e-5
    assert batch.images.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(batch.images[:, 0], batch.images[:, 2])
    assert (batch.classes, batch.source) == (10, "digits")
    assert batch.labels.bincount().tolist() == np.bincount(load_digits().target).tolist()


def test_a_digit_keeps_its_label() -> None:
    digits = load_digits()
    batch = load_minibatch("digits", 20, pixels=8, seed=3)
    pixels = digits.images * 1.0
    normalised = (pixels - pixels.mean()) / pixels.std()
    for image, label in zip(batch.images.numpy(), batch.labels.numpy(), strict=True):
        same = np.isclose(normalised, image[0], atol=1e-5).all((1, 2))
        assert label in digits.target[same]


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_the_named_sources_repeat(source: str) -> None:
    one = load_minibatch(source, 16, seed=1)
    assert one.images.shape == (16, 3, 32, 32)
    assert 0 <= one.labels.min() <= one.labels.max() < one.classes == 10
    assert one.seed == 1
    assert one.digest == load_minibatch(source, 16, seed=1).digest
    assert one.digest != load_minibatch(source, 16, seed=2).digest


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 30), st.integers(0, 3))
def test_a_smaller_digits_minibatch_is_the_beginning(size: int, seed: int) -> None:
    small = load_minibatch("digits", size, pixels=8, seed=seed)
    large = load_minibatch("digits", 30, pixels=8, seed=seed)
    assert small.digest == large.take(size).digest


def test_no_digit_is_drawn_twice() -> None:
    batch = load_minibatch("digits", 500, pixels=8)
    assert len(np.unique(batch.images.flatten(1).numpy(), axis=0)) >= 499


def test_noise_is_standard_normal_and_not_the_noise_scenario() -> None:
    batch = load_minibatch("noise", 64, seed=0)
    assert abs(batch.images.mean().item()) < 0.02
    assert batch.images.std().item() == pytest.approx(1, abs=0.02)
    assert len(set(batch.labels.tolist())) == 10
    assert not torch.equal(batch.images, batch.noise)


@pytest.mark.parametrize(
    ("source", "size", "pixels", "message"),
    [
        ("digits", 0, 32, "batch_size must be at least 1, got 0"),
        ("digits", 1798, 32, "batch_size must be at most 1797, the number of images of digits, got 1798"),
        ("noise", 4, 0, "pixels must be at least 1, got 0"),
        ("digit", 4, 32, "'digit' must be a known name or a path that exists; did you mean 'digits'"),
        ("absent/digits", 4, 32, "must be a known name or a path that exists; known names: digits, noise"),
    ],
)
def test_what_cannot_be_loaded_is_said(source: str, size: int, pixels: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_minibatch(source, size, pixels=pixels)


def test_global_random_states_stay() -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    load_minibatch("digits", 8)
    load_minibatch("noise", 8)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[index] # noqa: NPY002
    assert random.getstate() == before[2]
