"""Command line: score one untrained network (``python -m eznas.score --help``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.callables import load_callable
from eznas.cli.console import Command, command_line, print_json, print_table
from eznas.errors import NETWORK_FAILURES, EznasError, InputError

if TYPE_CHECKING:
    from torch import nn

    from eznas.scoring import Proxy
    from eznas.status import Score

__all__ = ["main"]

_EPILOG = """\b
Examples:
  What measures there are:
    python -m eznas.score --list
    python -m eznas.score --list "eznas*"
  An architecture of NAS-Bench-201:
    python -m eznas.score --measure naswot --measure params --architecture
      "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
  A network of your own, with a program:
    python -m eznas.score --model mypackage.models:small --measure "sum(effective_rank(weight_grad.data))"
  A measure of your own:
    python -m eznas.score --plugin my_measures.py --measure my_measure --model mypackage.models:small
"""


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.option("--architecture", metavar="STRING", help="Architecture of the search space.")
@click.option("--space", metavar="NAME", default="nasbench201", help="Search space.")
@click.option(
    "--model",
    metavar="MODULE:CALLABLE",
    help="Network of your own: a callable that is given nothing and returns a torch.nn.Module. The module is "
    "looked for in the current directory too. The network is scored as the callable made it.",
)
@click.option(
    "--measure",
    "measures",
    metavar="NAME|PROGRAM|FILE.py",
    multiple=True,
    help="Measure, program or exported proxy; may be given several times.",
)
@click.option(
    "--plugin",
    "plugins",
    metavar="FILE",
    type=Path,
    multiple=True,
    help="Python file that registers measures of your own; may be given several times. It is run.",
)
@click.option("--images", metavar="digits|noise|PATH", default="digits", help="Images.")
@click.option(
    "--batch-size",
    metavar="N",
    type=click.IntRange(min=2),
    default=16,
    help="Images of the minibatch.",
)
@click.option(
    "--pixels",
    metavar="N",
    type=click.IntRange(min=1),
    default=32,
    help="Height and width of the images for --model.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Seed of the initialisation and the images.",
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Device to run on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--list",
    "pattern",
    metavar="[PATTERN]",
    is_flag=False,
    flag_value="*",
    help="List the measures whose names match a pattern such as 'eznas*', and do nothing else.",
)
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    architecture: str | None,
    space: str,
    model: str | None,
    measures: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
    pattern: str | None,
    **options: Any,
) -> None:
    """Score an untrained network with zero-cost proxies."""
    _load(plugins)
    if pattern is not None:
        _list(pattern, as_json=as_json)
        return
    if (architecture is None) == (model is None):
        raise InputError("exactly one of --architecture and --model must be given; --help shows examples")
    if not measures:
        raise InputError("--measure must be given at least once; --list shows the measures")

    from eznas.run import versions
    from eznas.scoring.proxy_sources import resolve_proxy

    proxies = [resolve_proxy(text) for text in measures]
    scores, facts = _score(proxies, architecture, space, model, **options)
    records = [
        {
            "proxy": proxy.name,
            "program": proxy.program,
            "score": score.value if score.ok else None,
            "status": score.status.value,
            "detail": score.detail,
        }
        for proxy, score in zip(proxies, scores, strict=True)
    ]
    if as_json:
        print_json({**facts, "versions": versions(), "command": command_line(context), "scores": records})
    else:
        print_table(
            f"{facts['network']}\n{facts['images']}, batch {facts['batch_size']}, seed {facts['seed']}",
            ["proxy", "score", "status"],
            [
                [
                    record["proxy"],
                    "-" if record["score"] is None else f"{record['score']:.6g}",
                    record["status"],
                ]
                for record in records
            ],
        )
    for record in records:
        if record["score"] is None:
            raise EznasError(f"{record['proxy']} has no value ({record['status']}): {record['detail']}")


def _load(plugins: tuple[Path, ...]) -> None:
    if plugins:
        from eznas.scoring.plugin import load_plugin

        for file in plugins:
            load_plugin(file)


def _list(pattern: str, *, as_json: bool) -> None:
    from eznas.measures import MEASURES

    found = MEASURES.matching(pattern)
    if not found:
        raise InputError(f"no measure matches {pattern!r}; known: {', '.join(MEASURES)}")
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "paper": one.paper,
                    "formula": one.formula,
                    "program": one.program,
                    "equivalent": one.equivalent,
                    "direction": one.direction,
                    "needs": sorted(one.needs),
                    "reference": one.reference,
                }
                for one in found
            ]
        )
    else:
        print_table(
            "measures",
            ["name", "formula", "runs", "paper"],
            [[one.name, one.formula, ", ".join(sorted(one.needs)), one.paper] for one in found],
        )


def _score(
    proxies: list[Proxy],
    architecture: str | None,
    space: str,
    model: str | None,
    *,
    images: str,
    batch_size: int,
    pixels: int,
    seed: int,
    device: str,
) -> tuple[list[Score], dict[str, Any]]:
    """Score the network, and say what it was scored on."""
    from eznas.minibatch import load_minibatch
    from eznas.scoring import Problem, resolve_device, score_network
    from eznas.spaces import SPACES

    if architecture is not None:
        problem = Problem.of(SPACES[space], None, images=images, batch_size=batch_size, seed=seed, device=device)
        architecture = problem.space.parse(architecture)
        condition = problem.condition()
        network, minibatch, device = condition.network(architecture), condition.minibatch, condition.device
    else:
        device = resolve_device(device)
        network = load_model(model or "", seed).to(device)
        minibatch = load_minibatch(images, batch_size, pixels=pixels, seed=seed).to(device)
    facts = {
        "network": architecture or model,
        "space": space if architecture else None,
        "images": minibatch.source,
        "batch_size": len(minibatch.labels),
        "seed": seed,
        "device": device,
    }
    return score_network(proxies, network, minibatch), facts


def load_model(place: str, seed: int) -> nn.Module:
    """Import a callable and call it.

    Args:
        place: ``package.module:callable``.
        seed: torch's seed while it is called.

    Raises:
        InputError: There is no such callable, it or its module raises, or it does not return a network.
    """
    import torch
    from torch import nn

    function = load_callable(place, "--model")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = function()
    except NETWORK_FAILURES as error:
        raise InputError(
            f"{place} must return a network when it is called with nothing, it raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{place} must return a torch.nn.Module, got {type(network).__name__}")
    return network
