"""Programs as one Python file that needs torch alone, and eznas only for measures."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from eznas.capture.statistics import record_statistics
from eznas.errors import InputError
from eznas.primitives import STATISTICS, Floor, Kind
from eznas.programs.export.source import Collector
from eznas.programs.tensor_floor import images_only, reductions, statistics, units_at_once
from eznas.programs.tree import Node, network_leaves, postorder

_PARAMS = "measure.params"
_WIDTH = 100
_OWN = frozenset(
    [
        "MEASURES",
        "NAME",
        "NOISE_SEED",
        "PROGRAM",
        "PROVENANCE",
        "STATISTICS",
        "measured",
        "normal",
        "reduce_units",
        "score",
        "tensor_floor",
        "upper_floors",
    ]
)


def to_python(node: Node, *, name: str, provenance: Mapping[str, object], noise_seed: int = 0) -> str:
    """Return a program as a Python file that scores networks as ``evaluate`` does.

    The file holds the sources of the program's primitives and of the code that records a network's statistics. It
    defines ``NAME``, ``PROGRAM``, ``PROVENANCE`` and ``score(network, minibatch)``, and imports torch and the standard
    library alone. The reductions run on the same stacks of units as in ``evaluate``, so the values are the same; where
    a primitive raises, the file raises too.

    A program that reads measures imports eznas for them when it scores, except for ``measure.params``. Its file scores
    pairs of images and labels, and raises where a measure has no value.

    Args:
        node: A program.
        name: Name of the proxy: letters, digits and ``_ - . +``.
        provenance: Origin and measurements of the proxy: strings, numbers, booleans, None, lists and dictionaries of
            them; a number that is not finite is written as None.
        noise_seed: The seed of the minibatches' noise.

    Raises:
        InputError: ``node`` is no program; a name or value cannot be written; or the source of a primitive cannot be
            read, or needs more than torch.
    """
    if node.kind is not Kind.NETWORK:
        raise InputError(f"a program must give one number for the network to be exported, this gives {node.kind.value}")
    for leaf in network_leaves([node]):
        if not leaf.name.startswith("measure."):
            raise InputError(f"an exported program must read statistics and measures alone, this reads {leaf}")
    if not name or not all(letter.isalnum() or letter in "_-.+" for letter in name):
        raise InputError(f"a proxy's name must be made of letters, digits and _ - . +, got {name!r}")
    writer = _Writer(node)
    names = sorted(statistics([node]))
    scenarios = {STATISTICS[statistic].scenario for statistic in names}
    noisy = bool(scenarios & {"noise", "perturbed"})
    sections = [
        writer.score(scenarios),
        *([_NORMAL] if noisy else []),
        *([writer.measured()] if writer.leaves else []),
        writer.floors(),
        *_titled("# The primitives of the program.", writer.collector.text(lambda module: not _records(module))),
        *_titled("# Recording the statistics of a network's units.", writer.collector.text(_records)),
    ]
    eznas = f", and eznas for {', '.join(writer.of_eznas)}" if writer.of_eznas else " alone"
    head = [
        f'"""{name}: a zero-cost proxy for neural architecture search, exported by eznas.',
        "",
        f"It scores an untrained network on a minibatch, a pair of images and labels; it needs torch{eznas}.",
        '"""',
        *writer.collector.imports(),
        "",
        f'NAME = "{name}"',
        f"PROGRAM = {_string(node.text)}",
        f"PROVENANCE = {_plain(dict(provenance))}",
        *([f"STATISTICS = {_tuple(names)}"] if names else []),
        *([f"MEASURES = {_tuple(writer.of_eznas)}"] if writer.of_eznas else []),
        *([f"NOISE_SEED = {noise_seed}"] if noisy or writer.of_eznas else []),
    ]
    return "\n\n\n".join(["\n".join(head), *sections]) + "\n"


def _titled(title: str, text: str) -> list[str]:
    return [title, text] if text else []


def _records(module: str) -> bool:
    """Whether a module records statistics; all others define primitives, those of plugins among them."""
    return module.startswith("eznas.") and not module.startswith("eznas.primitives.")


def _recording(scenarios: Collection[str], *, labelled: bool) -> list[str]:
    """Return the lines that record the statistics."""
    images = "minibatch[0]" if labelled else "minibatch if isinstance(minibatch, Tensor) else minibatch[0]"
    return [
        f"    images = {images}",
        f"    noise = {'normal(images, NOISE_SEED)' if 'noise' in scenarios else None}",
        f"    perturbed = {'images + 0.1 * normal(images, NOISE_SEED + 1)' if 'perturbed' in scenarios else None}",
        f"    labels = {'minibatch[1]' if 'loss' in scenarios else None}",
        "    captured = record_statistics(network, images, noise, perturbed, labels, names=STATISTICS)",
    ]


_NORMAL = '''\
def normal(images: Tensor, seed: int) -> Tensor:
    """Return standard normal images, the same on every device."""
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)).to(images.device)'''


class _Writer:
    """Writes the floors of a program, one line a node, and collects the sources that they call."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.order = [node for node in postorder([root]) if node.kind is not Kind.LITERAL]
        self.variables = {node: f"x{place}" for place, node in enumerate(self.order, start=1)}
        self.reductions = reductions([root])
        self.of_images = images_only(postorder([root]))
        self.collector = Collector(_OWN | set(self.variables.values()))
        for module, name in (("torch", None), ("torch", "Tensor"), ("torch", "nn"), ("collections.abc", "Sequence")):
            self.collector.need(module, name)
        self.leaves = network_leaves([root])
        self.of_eznas = [leaf.name.partition(".")[2] for leaf in self.leaves if leaf.name != _PARAMS]
        self.places = {node: self.collector.add(node.primitive.function) for node in self.order if node.args}
        if self.reductions:
            self.collector.add(record_statistics)
            self.collector.add(units_at_once)

    def score(self, scenarios: Collection[str]) -> str:
        """Return the function ``score``."""
        labelled = "loss" in scenarios or bool(self.of_eznas)
        takes = (
            "``b x c x h x w`` images and ``b`` labels" if labelled else "``b x c x h x w`` images, or they and labels"
        )
        args = ["*reduce_units(captured)"] * bool(self.reductions) + ["*values"] * bool(self.leaves)
        lines = [
            f"def score(network: nn.Module, minibatch: {'' if labelled else 'Tensor | '}Sequence[Tensor]) -> float:",
            '    """Score a network.',
            "",
            "    Args:",
            "        network: Maps images to ``b x classes`` logits; it is left as it was found.",
            f"        minibatch: ``b x c x h x w`` {takes}.",
            '    """',
            *(["    values = measured(network, minibatch)"] if self.leaves else []),
            *(_recording(scenarios, labelled=labelled) if self.reductions else []),
            "    with torch.inference_mode():",
            f"        return upper_floors({', '.join(args)}).item()",
        ]
        return "\n".join(lines)

    def measured(self) -> str:
        """Return the function ``measured``."""
        sizes = "parameter.numel() for parameter in network.parameters() if parameter.requires_grad"
        lines = [
            "def measured(network: nn.Module, minibatch: Tensor | Sequence[Tensor]) -> list[Tensor]:",
            '    """Return the values of the measures that the program reads."""',
        ]
        if self.of_eznas:
            lines += [
                "    import eznas  # which computes them",
                "",
                "    images, labels = minibatch[0], minibatch[1]",
                '    batch = eznas.Minibatch(images, labels, int(labels.max()) + 1, "minibatch", seed=NOISE_SEED)',
                "    scores = eznas.measure(network, batch, MEASURES)",
            ]
        values = [
            f"sum({sizes})" if leaf.name == _PARAMS else f'float(scores["{leaf.name.partition(".")[2]}"])'
            for leaf in self.leaves
        ]
        lines += ["    values = [", *[f"        {value}," for value in values], "    ]"]
        return "\n".join([*lines, "    return [torch.tensor(value, dtype=torch.float64) for value in values]"])

    def floors(self) -> str:
        """Return the function ``upper_floors`` and, if there are reductions, ``tensor_floor`` and ``reduce_units``."""
        given = [*self.reductions, *self.leaves]
        numbers = [node for node in self.order if node.kind.floor is not Floor.TENSOR and node not in given]
        of_units = "those of its units, ``u`` each in execution order" if self.reductions else ""
        origin = ", and from ".join(filter(None, [of_units, "its measures" if self.leaves else ""]))
        parameters = ", ".join(f"{self.variables[node]}: Tensor" for node in given)
        tensors = [node for node in self.order if node not in {*numbers, *self.leaves}]
        return "\n".join(
            [
                f"def upper_floors({parameters}) -> Tensor:",
                f'    """Return the network\'s number from {origin}."""',
                *[self._line(node) for node in numbers],
                f"    return {self.variables[self.root]}",
                *(["", "", *self._units(tensors)] if self.reductions else []),
            ]
        )

    def _units(self, tensors: Sequence[Node]) -> list[str]:
        given = [self.variables[node] for node in self.reductions]
        return [
            "def tensor_floor(stacked: dict[str, Tensor]) -> list[Tensor]:",
            '    """Return the numbers of stacked units, ``u`` each, from their statistics, ``u x *`` each."""',
            *[self._line(node) for node in tensors],
            f"    return [{', '.join(given)}]",
            "",
            "",
            'def reduce_units(captured: "Capture") -> list[Tensor]:',
            '    """Run the tensor floor on the units of each shape, as many at once as memory allows."""',
            f"    vectors = [torch.empty(len(captured.units), dtype=torch.float64) for _ in range({len(given)})]",
            "    for group in captured.groups:",
            "        step = units_at_once(captured, group)",
            "        for start in range(0, len(group.units), step):",
            "            units = list(group.units[start : start + step])",
            "            stacked = {name: group.stacked(name, start, start + step) for name in group.tensors}",
            "            for vector, values in zip(vectors, tensor_floor({**captured.images, **stacked})):",
            '                vector[units] = values.to("cpu", torch.float64)',
            "    return vectors",
        ]

    def _line(self, node: Node) -> str:
        if not node.args:
            return f'    {self.variables[node]} = stacked["{node.name}"]'
        return (
            f"    {self.variables[node]} = {self.collector.name_of(self.places[node])}({', '.join(self._args(node))})"
        )

    def _args(self, node: Node) -> list[str]:
        """Return the written arguments; values of the images are repeated for every unit where they meet others."""
        units = next((self.variables[arg] for arg in node.args if arg not in self.of_images), "")
        written = []
        for arg in node.args:
            if arg.kind is Kind.LITERAL:
                written.append(repr(float(arg.name)))
            elif units and arg in self.of_images:
                name = self.variables[arg]
                written.append(f"{name}.expand(len({units}), *{name}.shape[1:])")
            else:
                written.append(self.variables[arg])
        return written


def _string(text: str) -> str:
    """Return a written string, over several lines where it is long."""
    if len(text) <= _WIDTH:
        return f'"{text}"'
    pieces = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join(["(", *[f'    "{piece}"' for piece in pieces], ")"])


def _tuple(names: Iterable[str]) -> str:
    return "(" + "".join(f'\n    "{name}",' for name in names) + "\n)"


def _plain(value: object, indent: str = "") -> str:
    """Return a written plain value, each entry of a list or dictionary on a line.

    Raises:
        InputError: It is not plain.
    """
    inner = indent + "    "
    if value is None or isinstance(value, (bool, int)):
        return repr(value)
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else "None"  # numpy writes its own name around it
    if isinstance(value, str):
        return json.dumps(value) if value.isascii() else repr(value)  # JSON escapes UTF-16, Python characters
    if isinstance(value, Mapping):
        entries = [f"{inner}{_plain(key)}: {_plain(entry, inner)},\n" for key, entry in value.items()]
        return "{\n" + "".join(entries) + indent + "}" if entries else "{}"
    if isinstance(value, (list, tuple)):
        entries = [f"{inner}{_plain(entry, inner)},\n" for entry in value]
        return "[\n" + "".join(entries) + indent + "]" if entries else "[]"
    raise InputError(f"a provenance must hold strings, numbers, lists and dictionaries, got {type(value).__name__}")
