"""Programs that the paper's authors found, in the readings that its text and its released code give them.

References:
    [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
        NeurIPS 2022.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.capture import capture
from eznas.measures import MEASURES, Measure, register_measure
from eznas.primitives.elementwise import safe_log
from eznas.programs import parse, statistics

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eznas.minibatch import Minibatch

__all__ = ["eznas_nasnet", "measure_programs", "register_program"]

_PAPER = "Akhauri et al., EZNAS, NeurIPS 2022"


def register_program(name: str, paper: str, text: str, reference: str = "") -> None:
    """Register a program under a name; what it needs follows from the statistics that it reads."""
    needs = {"forward"}
    for statistic in statistics([parse(text)]):
        quantity, _, scenario = statistic.partition(".")
        needs |= {"backward"} if quantity.endswith("_grad") else set()
        needs |= {"noise"} if scenario in ("noise", "perturbed") else set()
        needs |= {"labels"} if scenario == "loss" else set()
    MEASURES.register(Measure(name, paper, text, frozenset(needs), program=text, reference=reference))


def measure_programs() -> list[str]:
    """Return the programs that hand-written measures are too, so that more is better for each.

    Evolution reads complete units, so there a seed leaves out what the measure also reads: layers with no activation in
    front or no normalisation behind, such as the last linear one.
    """
    found = [(record.direction, record.equivalent) for record in MEASURES.values() if record.equivalent]
    return [text if direction > 0 else f"neg({text})" for direction, text in found]


# EZNAS-A as the released code computes it for every row of its tables. Its logdet is that of stacks of maps on the CUDA
# of its time, where a singular map gave NaN, which the code turns into 0; torch on the CPU would say minus infinity.
register_program("eznas_a", _PAPER, "mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))")
# as the paper's text says
register_program("eznas_a_paper", _PAPER, "mean(frobenius_norm(sigmoid(logdet(sign(weight_grad.noise)))))")
# as a later re-implementation reads it
register_program("eznas_a_weight_grad", _PAPER, "mean(frobenius_norm(sigmoid(logdet(sign(weight_grad.data)))))")
# the released code's "topprog"
register_program("eznas_top", _PAPER, "mean(square(abs(frobenius_norm(conv_in.noise))))")
# the released code's "pnas"
register_program(
    "eznas_pnas",
    _PAPER,
    "mean(kl_div(normalize(normalize(normalize(norm_out_grad.perturbed))), gt0(norm_out_grad.data)))",
)


@register_measure(
    name="eznas_nasnet",
    paper=_PAPER,
    formula="mean(frobenius_norm(lt0(safe_log(norm_out.perturbed + safe_log(input.noise))))), units of equal shapes",
    needs=["forward", "noise"],
)
def eznas_nasnet(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the released code's "nasnet" program.

    It adds what leaves a unit to what enters it, which a typed program cannot say. Units whose two shapes
    differ are left out, as in the released code; the score is NaN where they all do, and where a unit holds NaN. Its
    logarithm of what is not positive is 0, which is not below zero: ``safe_log``.

    Raises:
        NoUnitsError: The network has no units.
        CaptureError: The network cannot be recorded.
    """
    captured = capture(network, minibatch, ["norm_out.perturbed", "input.noise"])
    norms: list[float] = []
    for group in captured.groups:
        leaving, entering = group.tensors["norm_out.perturbed"], group.tensors["input.noise"]
        if leaving[0].shape == entering[0].shape:
            norms += [
                _norm(safe_log(after + safe_log(before))) for after, before in zip(leaving, entering, strict=True)
            ]
    return sum(norms) / len(norms) if norms else math.nan


def _norm(logs: Tensor) -> float:
    return math.nan if bool(logs.isnan().any()) else float((logs < 0).sum()) ** 0.5
