"""Programs that the paper's authors found, in the readings that its text and its released code give them.

References:
    [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
        NeurIPS 2022.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.capture import capture
from eznas.measures import MEASURES, Measure, measure

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["eznas_nasnet"]

_PAPER = "Akhauri et al., EZNAS, NeurIPS 2022"
_PASSES = ["forward", "backward"]


def _program(name: str, needs: list[str], text: str) -> None:
    MEASURES.register(Measure(name, _PAPER, text, frozenset(needs), program=text))


# EZNAS-A as the released code computes it for every row of its tables
_program("eznas_a", _PASSES, "mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))")
# as the paper's text says
_program("eznas_a_paper", [*_PASSES, "noise"], "mean(frobenius_norm(sigmoid(logdet(sign(weight_grad.noise)))))")
# as a later re-implementation reads it
_program("eznas_a_weight_grad", _PASSES, "mean(frobenius_norm(sigmoid(logdet(sign(weight_grad.data)))))")
# the released code's "topprog"
_program("eznas_top", ["forward", "noise"], "mean(square(abs(frobenius_norm(preact.noise))))")
# the released code's "pnas"
_program(
    "eznas_pnas",
    [*_PASSES, "noise"],
    "mean(kl_div(normalize(normalize(normalize(act_grad.perturbed))), gt0(act_grad.data)))",
)


@measure(
    name="eznas_nasnet",
    paper=_PAPER,
    formula="mean(frobenius_norm(lt0(log(act.perturbed + log(input.noise))))) over units with equal shapes",
    needs=["forward", "noise"],
)
def eznas_nasnet(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the released code's "nasnet" program.

    It adds what leaves a unit to what enters it, which a typed program cannot say. Units whose two shapes
    differ are left out, as in the released code; the score is NaN where they all do. A logarithm of a
    negative number is undefined, and so not below zero.

    Raises:
        NoUnitsError: The network has no units.
        CaptureError: The network cannot be recorded.
    """
    captured = capture(network, minibatch, ["act.perturbed", "input.noise"])
    norms: list[float] = []
    for group in captured.groups:
        act, entering = group.tensors["act.perturbed"], group.tensors["input.noise"]
        if act[0].shape == entering[0].shape:
            norms += [
                float(((after + before.log()).log() < 0).sum()) ** 0.5
                for after, before in zip(act, entering, strict=True)
            ]
    return sum(norms) / len(norms) if norms else math.nan
