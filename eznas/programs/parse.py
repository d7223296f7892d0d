"""Text to programs, by a tokenizer and a parser with its own stack: depth is bounded by memory alone."""

from __future__ import annotations

import copyreg
import re
from dataclasses import dataclass, field

from eznas import primitives
from eznas.errors import InputError, unknown
from eznas.primitives import Floor, Kind, KindError
from eznas.programs.tree import NETWORK_LEAVES, Node, apply, leaf, literal

MAX_CHARACTERS = 100_000
"""The longest program text that is read."""

_TOKEN = re.compile(
    r"(?P<name>[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)?)"
    r"|(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<mark>[(),])"
    r"|(?P<wrong>\S)"
)
_WINDOW = 50


class ProgramError(InputError):
    """A text is not a program; the message shows the place.

    Args:
        message: The requirement, the text that breaks it, and the remedy.
        text: The program.
        column: The place in it, from 1.
    """

    def __init__(self, message: str, text: str, column: int) -> None:
        self.message, self.text, self.column = message, text, column
        first = max(0, column - 1 - _WINDOW)
        shown = re.sub(r"\s", " ", text[first : column - 1 + _WINDOW])
        before = "..." if first else ""
        after = "..." if column - 1 + _WINDOW < len(text) else ""
        caret = " " * (len(before) + column - 1 - first) + "^"
        super().__init__(f"{message} (column {column})\n  {before}{shown}{after}\n  {caret}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.text, self.column)  # an error of a worker process is pickled


@dataclass(frozen=True)
class _Token:
    sort: str
    text: str
    column: int


@dataclass
class _Call:
    """A primitive whose arguments are being read."""

    token: _Token
    args: list[Node] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)


def parse(text: str, kind: Kind = Kind.NETWORK) -> Node:
    """Return the program of a text; whitespace is free, and ``parse(node.text, node.kind) is node``.

    Args:
        text: Such as ``"mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))"``.
        kind: The kind that the whole must have.

    Raises:
        ProgramError: It is not a well-typed program of that kind.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"a program must have at most {MAX_CHARACTERS} characters, got {len(text)}"
        raise ProgramError(message, text, MAX_CHARACTERS + 1)
    tokens = _tokens(text)
    if len(tokens) == 1:
        raise ProgramError("a program must not be empty", text, 1)
    calls: list[_Call] = []
    place = 0
    while True:
        token = tokens[place]
        if token.sort == "name" and tokens[place + 1].text == "(":
            calls.append(_Call(_known_primitive(token, text)))
            place += 2
            continue
        node, column = _leaf(token, calls, text), token.column
        place += 1
        while calls:  # close every call that ends here
            calls[-1].args.append(node)
            calls[-1].columns.append(column)
            _check_separator(tokens[place], calls[-1], text)
            place += 1
            if tokens[place - 1].text == ",":
                break
            done = calls.pop()
            node, column = _apply(done, text), done.token.column
        else:
            break
    _check_end(tokens[place], text)
    _check_kind(node, kind, text)
    return node


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        sort = str(match.lastgroup)
        token = _Token(sort, match[sort], match.start(sort) + 1)
        if sort == "wrong":
            message = f"a program is written with a-z, 0-9, '_', '.', '(', ')' and ',', got {token.text!r}"
            raise ProgramError(message, text, token.column)
        tokens.append(token)
    return [*tokens, _Token("end", "", len(text.rstrip()) + 1)]


def _known_primitive(token: _Token, text: str) -> _Token:
    if not primitives.overloads(token.text):
        if token.text in primitives.STATISTICS:
            raise ProgramError(f"{token.text} is a statistic and takes no arguments", text, token.column)
        if token.text.partition(".")[0] in NETWORK_LEAVES and "." in token.text:
            raise ProgramError(f"{token.text} is a number of the network and takes no arguments", text, token.column)
        names = {record.name for record in primitives.all_primitives()}
        raise ProgramError(str(unknown("primitive", token.text, names)), text, token.column)
    return token


def _leaf(token: _Token, calls: list[_Call], text: str) -> Node:
    if token.sort in ("end", "mark"):
        got = "the end of the text" if token.sort == "end" else repr(token.text)
        where = f"as argument {len(calls[-1].args) + 1} of {calls[-1].token.text}" if calls else "here"
        raise ProgramError(f"a statistic, a number or name(...) must stand {where}, got {got}", text, token.column)
    if token.sort == "name" and token.text not in primitives.STATISTICS and primitives.overloads(token.text):
        message = f"{token.text} is a primitive and needs its arguments in parentheses"
        raise ProgramError(message, text, token.column)
    try:
        return leaf(token.text) if token.sort == "name" else literal(float(token.text))
    except InputError as error:
        raise ProgramError(str(error), text, token.column) from None


def _check_separator(token: _Token, call: _Call, text: str) -> None:
    if token.text in (",", ")"):
        return
    opened = f"{call.token.text}(, opened at column {call.token.column}"
    if token.sort == "end":
        raise ProgramError(f"')' is missing for {opened}", text, token.column)
    message = f"',' or ')' must follow an argument of {opened}, got {token.text!r}"
    raise ProgramError(message, text, token.column)


def _check_end(token: _Token, text: str) -> None:
    if token.sort != "end":
        message = (
            "there is one ')' too many" if token.text == ")" else f"nothing may follow the program, got {token.text!r}"
        )
        raise ProgramError(message, text, token.column)


def _apply(call: _Call, text: str) -> Node:
    name, column = call.token.text, call.token.column
    arities = {len(signature.args) for record in primitives.overloads(name) for signature in record.signatures}
    if len(call.args) not in arities:
        wanted = " or ".join(map(str, sorted(arities)))
        noun = "argument" if wanted == "1" else "arguments"
        raise ProgramError(f"{name} takes {wanted} {noun}, got {len(call.args)}", text, column)
    try:
        return apply(name, *call.args)
    except KindError as error:
        raise ProgramError(str(error), text, column) from None
    except InputError as error:  # the literal, which is always last
        raise ProgramError(str(error), text, call.columns[-1]) from None


def _check_kind(node: Node, kind: Kind, text: str) -> None:
    if node.kind is kind:
        return
    column = len(text) - len(text.lstrip()) + 1
    if kind is not Kind.NETWORK:
        raise ProgramError(f"this must give {kind.value}, it gives {node.kind.value}", text, column)
    wanted = "a program must give one number for the network; this gives"
    if node.kind is Kind.UNIT:
        message = f"{wanted} one number for each unit; wrap it in an aggregation such as mean(...) or sum(...)"
    elif node.kind.floor is Floor.TENSOR:
        message = (
            f"{wanted} a tensor ({node.kind.value}) for each unit; wrap it in a reduction and an aggregation, "
            f"such as sum(mean(...))"
        )
    else:
        message = f"{wanted} {node.name}, whatever the network; it must read a statistic such as weight"
    raise ProgramError(message, text, column)


copyreg.pickle(Node, lambda node: (parse, (node.text, node.kind)))  # a tree travels between processes as its text
