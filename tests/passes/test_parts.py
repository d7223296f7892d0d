from __future__ import annotations

import pytest

from eznas.errors import InputError
from eznas.measures import measure_from_passes
from eznas.passes.network_passes import NetworkPasses
from eznas.passes.parts import PARTS
from eznas.testing.measures import sample_minibatch
from eznas.testing.networks import PIXELS, classifier


def test_each_part_is_a_method() -> None:
    assert all(callable(getattr(NetworkPasses, name)) for name in PARTS)


def test_an_unknown_part_is_an_input_error() -> None:
    with pytest.raises(InputError, match="unknown part 'weight_gradient'; did you mean 'weight_gradients'"):
        NetworkPasses(classifier("linear"), sample_minibatch(2, PIXELS), ["weight_gradient"])
    with pytest.raises(InputError, match="unknown part"):
        measure_from_passes("weight_gradient")


def test_results_that_no_part_needs_are_freed() -> None:
    network = classifier("linear")
    runs = [0]
    network.register_forward_pre_hook(lambda *_: runs.append(runs.pop() + 1))
    with NetworkPasses(network, sample_minibatch(2, PIXELS), ["logits", "image_gradients"]) as passes:
        passes.image_gradients()
        passes.forget({"logits"})
        passes.logits()
        assert runs == [1]
        passes.forget(set())
        passes.logits()
        assert runs == [2]
