from __future__ import annotations

import pytest

from eznas.programs import is_constant, parse


@pytest.mark.parametrize(
    "text",
    [
        "mean(mean(image.data))",
        "max(std(log1p(image.noise)))",
        "mean(logdet_jitter(gram(image.data), 1))",
        "mean(mean(ones_like(norm_out.data)))",
        "std(max(exp(zeros_like(weight))))",
        "add(mean(mean(image.data)), first(l1(image.perturbed)))",
        "last(abs(mean(image.data)))",
    ],
)
def test_what_cannot_depend_on_the_network_is_constant(text: str) -> None:
    assert is_constant(parse(text))
    assert is_constant(parse(text))  # as it is known by now


@pytest.mark.parametrize(
    "text",
    [
        "sum(mean(image.data))",  # the number of units
        "mean(sum(ones_like(norm_out.data)))",  # a shape
        "mean(mean(image_grad.data))",
        "mean(mean(norm_out.data))",
        "mean(cumulative_sum(mean(image.data)))",
        "add(mean(mean(image.data)), sum(mean(weight)))",
        "mean(mean(normalize(image_grad.data)))",
    ],
)
def test_what_may_depend_on_the_network_is_not(text: str) -> None:
    assert not is_constant(parse(text))
