"""``eznas score``: zero-cost proxies of one untrained network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eznas.callables import load_callable
from eznas.cli import options, own_network
from eznas.cli.console import Command, command_line, print_table, write_json
from eznas.errors import NETWORK_FAILURES, EznasError, InputError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from torch import nn

    from eznas.minibatch import Minibatch
    from eznas.status import Score


_LARGE = 224
"""Pixels of the images that most models for ImageNet take."""
_EPILOG = """\b
Examples:
  List the measures:
    eznas score --list
    eznas score --list "eznas*"
  Score an architecture of NAS-Bench-201:
    eznas score --proxy naswot --proxy params --architecture
      "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
  Score a network of your own with a program, or with every measure:
    eznas score --model mypackage.models:small --proxy "sum(effective_rank(weight_grad.data))"
    eznas score --model torchvision.models:resnet18 --pixels 224 --proxy all
  List the layers that programs read:
    eznas score --units --model torchvision.models:vit_b_16 --pixels 224
  Score a language model on tokens, with a loss of your own:
    eznas score --model mypackage.models:gpt --inputs tokens.npz --loss mypackage.models:loss
  Score with a measure of your own:
    eznas score --plugin my_measures.py --proxy my_measure --model mypackage.models:small
\b
Exit code:
  1 if a proxy that --proxy names has no value, or if no proxy has one. A measure that a pattern matches may be
  undefined on the network: a sentence then says why.
"""


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@options.option(
    "--architecture", group="Network", metavar="TEXT", help="Architecture to build, in the notation of --space."
)
@options.space
@options.option(
    "--model",
    group="Network",
    metavar="MODULE:CALLABLE",
    help="Network of your own: a callable without arguments that returns a torch.nn.Module. The network keeps its "
    "weights. MODULE may lie in the current directory.",
)
@options.proxies(default="  [default: " + ", ".join(own_network.DEFAULT_PROXIES) + "]")
@options.option(
    "--list",
    "pattern",
    group="Proxies",
    metavar="[PATTERN]",
    is_flag=False,
    flag_value="*",
    help="List the measures whose names match a pattern such as 'eznas*', and score nothing.",
)
@options.option(
    "--units",
    group="Proxies",
    is_flag=True,
    help="List the layers that programs read and the layers that they do not read, and score nothing.",
)
@options.plugin
@options.images
@own_network.inputs
@own_network.loss
@options.batch_size
@options.count("--pixels", "Height and width of the images for --model.", 32, 1, group="Data")
@options.seed(0, "the initialisation and the images")
@options.device
@options.memory
@own_network.max_seconds
@options.json_file
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    architecture: str | None,
    space: str,
    model: str | None,
    proxies: tuple[str, ...],
    plugin: tuple[Path, ...],
    json_file: str | None,
    pattern: str | None,
    units: bool,
    memory: str | None,
    max_seconds_per_measure: float,
    **settings: Any,
) -> None:
    """Score an untrained network with zero-cost proxies."""
    if plugin:
        from eznas.scoring.plugin import load_plugins

        load_plugins(plugin)
    if pattern is not None:
        _list(pattern, json_file)
        return
    own_network.check_network(architecture, model, settings)
    if units:
        from eznas.cli.score_units import show_units

        network, minibatch, _, facts = _build(architecture, space, model, **settings)
        show_units(network, minibatch, facts, json_file)
        return

    from eznas.report.html import seconds as rounded
    from eznas.run import versions
    from eznas.scoring import score_network
    from eznas.scoring.estimates import skipped
    from eznas.scoring.matrix import estimate_proxies
    from eznas.scoring.proxy_sources import matching, resolve_proxy

    chosen = proxies or own_network.DEFAULT_PROXIES
    resolved = [resolve_proxy(name) for name in dict.fromkeys(name for text in chosen for name in matching(text))]
    memory_per_call = _memory_per_call(memory)
    network, minibatch, features, facts = _build(architecture, space, model, **settings)
    seconds = {
        proxy.name: spent for proxy, spent in zip(resolved, estimate_proxies(resolved, network, minibatch), strict=True)
    }
    left_out = skipped(seconds, max_seconds_per_measure, options.asked(proxies))
    run = [proxy for proxy in resolved if proxy.name not in left_out]
    scored = zip(run, score_network(run, network, minibatch, memory_per_call, features), strict=True)
    by_name = {proxy.name: score for proxy, score in scored} | left_out
    scores = [by_name[proxy.name] for proxy in resolved]
    if json_file is None:
        print_table(
            f"{facts['network']}\n{facts['images']}, batch {facts['batch_size']}, seed {facts['seed']}",
            ["proxy", "score", "status", "estimated seconds"],
            [
                [
                    proxy.name,
                    f"{score.value:.6g}" if score.ok else "-",
                    score.status.value,
                    rounded(seconds[proxy.name]),
                ]
                for proxy, score in zip(resolved, scores, strict=True)
            ],
        )
    else:
        records = [
            {
                "proxy": proxy.name,
                "program": proxy.program,
                "score": score.value if score.ok else None,
                "status": score.status.value,
                "detail": score.detail,
                "estimated_seconds": seconds[proxy.name],
            }
            for proxy, score in zip(resolved, scores, strict=True)
        ]
        write_json(json_file, {**facts, "versions": versions(), "command": command_line(context), "scores": records})
    failures = {proxy.name: score for proxy, score in zip(resolved, scores, strict=True) if not score.ok}
    _explain(failures, left_out)
    if left_out:
        click.echo(
            f"{len(left_out)} of {len(scores)} proxies are skipped; --max-seconds-per-measure sets the limit", err=True
        )
    pixels = settings["pixels"]
    ran = [score for proxy, score in zip(resolved, scores, strict=True) if "graf." not in proxy.program]
    takes_images = model is not None and settings["inputs"] is None
    if takes_images and pixels < _LARGE and any(score.status.value == "exception" for score in ran):
        click.echo(f"the images have {pixels} x {pixels} pixels; a model for larger ones needs --pixels", err=True)
    if len(failures) == len(scores) or options.asked(proxies) & failures.keys():
        raise EznasError(f"{len(failures)} of {len(scores)} proxies have no value")


def _list(pattern: str, json_file: str | None) -> None:
    from eznas.measures import MEASURES

    measures = MEASURES.matching(pattern)
    if json_file is None:
        print_table(
            "measures",
            ["name", "formula", "runs", "paper"],
            [[measure.name, measure.formula, ", ".join(sorted(measure.needs)), measure.paper] for measure in measures],
        )
        return
    facts = ("name", "paper", "formula", "program", "equivalent", "direction", "reference")
    write_json(
        json_file,
        [{**{fact: getattr(measure, fact) for fact in facts}, "needs": sorted(measure.needs)} for measure in measures],
    )


def _memory_per_call(memory: str | None) -> int | None:
    """Return the bytes that a program or measure may take; None for no bound."""
    from eznas.scoring import MemoryPlan
    from eznas.scoring.memory_plan import memory_bound

    bound = memory_bound(memory, 1)
    return None if bound is None else MemoryPlan.of(bound, 1, keep=False).per_call


def _build(
    architecture: str | None,
    space: str,
    model: str | None,
    *,
    images: str,
    inputs: Path | None,
    loss: str | None,
    batch_size: int,
    pixels: int,
    seed: int,
    device: str,
) -> tuple[nn.Module, Minibatch, dict[str, float] | None, dict[str, Any]]:
    """Return the network, the minibatch, the features of the architecture, and the facts that scores depend on."""
    from eznas.minibatch import Minibatch, load_minibatch
    from eznas.minibatch.inputs import load_inputs
    from eznas.scoring import Problem, resolve_device
    from eznas.spaces import SPACES

    if architecture is not None:
        problem = Problem.of(SPACES[space], None, images=images, batch_size=batch_size, seed=seed, device=device)
        architecture = problem.space.parse(architecture)
        condition = problem.condition()
        network, minibatch, device = condition.network(architecture), condition.minibatch, condition.device
        features = problem.space.features(architecture)
    else:
        features = None
        device = resolve_device(device)
        network = load_model(model or "", seed).to(device)
        function = None if loss is None else load_callable(loss, "loss")
        if inputs is None:
            minibatch = Minibatch.of(load_minibatch(images, batch_size, pixels=pixels, seed=seed), function)
        else:
            minibatch = load_inputs(inputs, batch_size, seed=seed, loss=function)
        minibatch = minibatch.to(device)
    facts = {
        "network": architecture or model,
        "space": space if architecture else None,
        "images": minibatch.source,
        "batch_size": len(minibatch),
        "seed": seed,
        "device": device,
    }
    return network, minibatch, features, facts


def load_model(place: str, seed: int) -> nn.Module:
    """Import a callable and return the network that it builds.

    Args:
        place: ``package.module:callable``.
        seed: torch's seed during the call.

    Raises:
        InputError: There is no such callable, it or its module raises, or it does not return a network.
    """
    import torch
    from torch import nn

    function = load_callable(place, "model")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = function()
    except NETWORK_FAILURES as error:
        raise InputError(
            f"{place} must return a network when called without arguments, it raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{place} must return a torch.nn.Module, got {type(network).__name__}")
    return network


def _explain(failures: Mapping[str, Score], left_out: Container[str]) -> None:
    """Print why proxies have no value, one sentence for each reason."""
    reasons: dict[str, list[str]] = {}
    for name, score in failures.items():
        if name in left_out:
            click.echo(f"{name} is skipped: {score.detail}", err=True)
        else:
            reasons.setdefault(f"({score.status.value}): {score.detail}", []).append(name)
    for reason, names in reasons.items():
        click.echo(f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no value {reason}", err=True)
