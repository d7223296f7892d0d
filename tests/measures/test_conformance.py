"""Every registered measure on every kind of classifier."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.programs import parse
from eznas.scoring.network_leaves import measures_read
from eznas.scoring.score_many import measure
from eznas.status import Score, Status
from eznas.testing.measures import check_measure, network_state, sample_minibatch
from eznas.testing.networks import CLASSIFIERS, PIXELS, classifier

BATCH = sample_minibatch(4, PIXELS)
OF_ATTENTION = {"attention_importance", "dss", "head_confidence", "head_importance", "softmax_confidence"}
OF_ATTENTION |= {"synaptic_diversity"}
UNDEFINED = dict.fromkeys(CLASSIFIERS, OF_ATTENTION) | {
    # the sum of the logits of all images stands still
    "depthwise": {"ntk_condition", "jacob_cov", "jacob_cosine", "epe_nas", *OF_ATTENTION},
    "linear": {"meco", *OF_ATTENTION},
    "transformer": {"naswot", "logsynflow"},
}
HAND_WRITTEN = [name for name, record in MEASURES.items() if not record.program]


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_a_measure_conforms(name: str, kind: str) -> None:
    score = check_measure(MEASURES[name], classifier(kind), BATCH)
    if not name.startswith("eznas"):
        assert score.ok == (name not in UNDEFINED.get(kind, ())), score


@pytest.mark.parametrize("name", sorted(set(MEASURES) - set(HAND_WRITTEN)))
def test_a_program_needs_the_passes_of_the_measures_that_it_reads(name: str) -> None:
    for read in measures_read([parse(MEASURES[name].program)]):
        assert MEASURES[read].needs <= MEASURES[name].needs


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_measures_do_not_depend_on_which_others_are_asked_for(kind: str) -> None:
    together = measure(classifier(kind), BATCH, HAND_WRITTEN)
    for name, score in together.items():
        assert_same(measure(classifier(kind), BATCH, [name])[name], score)


def assert_same(one: Score, other: Score) -> None:
    assert (one.status, one.value if one.ok else one.detail) == (
        other.status,
        other.value if other.ok else other.detail,
    )


@pytest.mark.parametrize("pixels", [8, 20])
@pytest.mark.parametrize("kind", ["cells", "depthwise", "without_norm"])
def test_other_sizes_of_images(kind: str, pixels: int) -> None:
    scores = measure(classifier(kind), sample_minibatch(4, pixels))
    assert {name for name, score in scores.items() if not score.ok} <= {
        "eznas_nasnet",
        "ntk_condition",
        *UNDEFINED[kind],
    }


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_double_precision_gives_nearly_the_same(kind: str) -> None:
    names = [name for name in HAND_WRITTEN if not name.startswith("eznas")]
    if kind == "depthwise":  # gradsign runs one image, whose average behind a batch normalisation is 0 up to rounding
        names.remove("gradsign")
    single = measure(classifier(kind), BATCH, names)
    wide = Minibatch(BATCH.images.double(), BATCH.labels, 10, "testing")
    double = measure(classifier(kind).double(), wide, names)
    for name in names:
        assert single[name].status is double[name].status, (name, single[name], double[name])
        if single[name].ok:
            # counting signs and gradients of 0 up to rounding has no continuity
            loose = name in {"gradsign", "zico", "meco"}
            assert double[name].value == pytest.approx(single[name].value, rel=0.1 if loose else 1e-3, abs=1e-4), name


class Raising(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        self.norm(self.conv(x))
        raise ValueError("the last line")


def test_a_network_that_raises_is_left_alone_and_costs_a_status() -> None:
    network = Raising().eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    before = network_state(network)
    scores = measure(network, BATCH)
    assert network_state(network) == before
    silent = {"params", "l2_norm"}
    assert {name for name, score in scores.items() if score.ok} == silent
    for name in scores.keys() - silent:
        assert scores[name].status is Status.EXCEPTION
        assert "the last line" in scores[name].detail


class Dead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.conv(x) * 0 - 1).mean((2, 3)))
        return out


@pytest.mark.parametrize(
    "network",
    [
        Dead(),
        nn.Sequential(nn.Flatten(), nn.Linear(3 * PIXELS**2, 10)),
        nn.Sequential(nn.Conv2d(3, 1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
    ids=["dead", "linear", "one class", "no weights"],
)
def test_degenerate_networks_have_a_status_and_a_sentence(network: nn.Module) -> None:
    batch = Minibatch(BATCH.images, torch.zeros(4, dtype=torch.int64), 1, "one class")
    for score in measure(network, batch).values():
        assert score.ok or score.detail
        assert score.status is not Status.EXCEPTION, score


def test_a_value_that_is_not_finite_comes_with_its_formula() -> None:
    score = measure(nn.Sequential(nn.Flatten(), nn.Linear(3 * PIXELS**2, 10)), BATCH, ["naswot"])["naswot"]
    assert (score.status, score.detail) == (Status.NON_FINITE, f"the value is -inf, of: {MEASURES['naswot'].formula}")


def test_a_network_of_one_image_has_a_status() -> None:
    one = BATCH.take(1)
    for name, score in measure(classifier("without_norm"), one).items():
        assert score.ok or score.detail, name


def test_dropout_draws_the_same_beside_others() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * PIXELS**2, 8), nn.ReLU(), nn.Linear(8, 10))
    for name, score in measure(network, BATCH).items():
        assert_same(measure(network, BATCH, [name])[name], score)


def test_a_measure_keeps_the_device_and_tensors() -> None:
    network = classifier("cells")
    before = network_state(network)
    on_cpu = measure(network, BATCH, ["snip", "params"], device="cpu")
    assert network_state(network) == before
    assert on_cpu == measure(network, BATCH, ["snip", "params"])
