"""A network of the user's own on the command line: what it takes, and its loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli.options import option
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PROXIES = ("params", "flops", "depth", "l2_norm", "grad_norm", "snip", "synflow", "jacob_cov", "near", "swap")
"""The measures without ``--proxy``: cheap ones that have a value on networks of nearly every kind."""

inputs = option(
    "--inputs",
    group="Data",
    metavar="FILE.npz",
    type=Path,
    help="File of inputs for --model, in place of images. It holds one array for each input, such as tokens and an "
    "attention mask, named after the argument of the network. A single input may have any name. The array labels holds "
    "the labels. If the file has more samples, --batch-size of them are drawn.",
)
loss = option(
    "--loss",
    group="Data",
    metavar="MODULE:CALLABLE",
    help="Loss for --model: maps logits and labels to one number.  [default: mean cross-entropy; the label -100 stands "
    "for none]",
)
max_seconds = option(
    "--max-seconds-per-measure",
    group="Proxies",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=30.0,
    help="Leave out measures whose estimated seconds are above this limit, unless --proxy names them; inf for no "
    "limit. The estimates are for one thread of a CPU.",
)


def check_network(architecture: str | None, model: str | None, settings: Mapping[str, Any]) -> None:
    """Check that there is one network, and that inputs and a loss are given with one of the user's own.

    Raises:
        InputError: It is not so.
    """
    if (architecture is None) == (model is None):
        raise InputError("exactly one of --architecture and --model must be given; --help shows examples")
    for name in ("inputs", "loss"):
        if settings[name] is not None and model is None:
            raise InputError(f"{name} must be given with --model", parameters=(name,))
