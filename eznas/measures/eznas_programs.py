"""Programs of the EZNAS paper, as its text and its released code define them.

References:
    [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
        NeurIPS 2022.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.capture import capture
from eznas.measures import register_measure
from eznas.measures.registry import register_program
from eznas.primitives.elementwise import safe_log

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eznas.minibatch import Minibatch


_PAPER = "Akhauri et al., EZNAS, NeurIPS 2022"


# EZNAS-A as the released code computes it for its tables. Its logdet is that of stacks of maps on the CUDA version of
# its time: NaN for a singular map, which the code replaces by 0. On the CPU torch gives minus infinity.
register_program(
    "eznas_a",
    f"{_PAPER}, EZNAS-A, the program of the released code",
    "mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))",
)
register_program(
    "eznas_a_paper",
    f"{_PAPER}, EZNAS-A as the text of the paper describes it",
    "mean(frobenius_norm(sigmoid(logdet(sign(weight_grad.noise)))))",
)
register_program(
    "eznas_a_weight_grad",
    f"{_PAPER}, EZNAS-A in a later re-implementation",
    "mean(frobenius_norm(sigmoid(logdet(sign(weight_grad.data)))))",
)
register_program(
    "eznas_top", f"{_PAPER}, topprog of the released code", "mean(square(abs(frobenius_norm(conv_in.noise))))"
)
register_program(
    "eznas_pnas",
    f"{_PAPER}, pnas of the released code",
    "mean(kl_div(normalize(normalize(normalize(norm_out_grad.perturbed))), gt0(norm_out_grad.data)))",
)


@register_measure(
    paper=f"{_PAPER}, nasnet of the released code",
    formula="mean(frobenius_norm(lt0(safe_log(norm_out.perturbed + safe_log(input.noise))))). The mean is over the "
    "units whose input and output have the same shape",
    needs=["forward", "noise"],
)
def eznas_nasnet(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the value of the released code's "nasnet" program.

    It adds a unit's output to its input, which a typed program cannot express. Units whose input and output differ in
    shape are left out, as in the released code. The score is NaN if no unit is left, or if a unit holds NaN. The
    logarithm of a number that is not positive is 0 (``safe_log``), which is not below zero.

    Raises:
        NoUnitsError: The network has no units.
        CaptureError: The network cannot be recorded.
    """
    captured = capture(network, minibatch, ["norm_out.perturbed", "input.noise"])
    norms: list[float] = []
    for group in captured.groups:
        outputs, inputs = group.tensors["norm_out.perturbed"], group.tensors["input.noise"]
        if outputs[0].shape == inputs[0].shape:
            norms += [_norm(safe_log(out + safe_log(entering))) for out, entering in zip(outputs, inputs, strict=True)]
    return sum(norms) / len(norms) if norms else math.nan


def _norm(logs: Tensor) -> float:
    return math.nan if bool(logs.isnan().any()) else float((logs < 0).sum()) ** 0.5
