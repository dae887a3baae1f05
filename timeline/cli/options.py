"""Options that several commands share. Those of a question are made from the one table of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from timeline.query import PARAMETERS, Parameter

if TYPE_CHECKING:
    from timeline.query import Query

Command = TypeVar("Command", bound=Callable[..., Any])
PREFIX = "q_"
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def query_options(*, without: Iterable[str] = ()) -> Callable[[Command], Command]:
    """Add an option for each parameter of a question."""
    left_out = frozenset(without)

    def add(command: Command) -> Command:
        for parameter in reversed(PARAMETERS):
            if parameter.name not in left_out:
                command = _option(parameter)(command)
        return command

    return add


def _option(parameter: Parameter) -> Callable[[Command], Command]:
    text = f"{parameter.description}."
    if parameter.repeatable and "repeat" not in parameter.description:
        text += " Repeatable."
    if parameter.example and not parameter.choices:
        text += f" Example: {parameter.example}"
    kind: Any = click.Choice(parameter.choices) if parameter.choices else str
    return click.option(
        "--" + parameter.name.replace("_", "-"), PREFIX + parameter.name, multiple=parameter.repeatable, type=kind,
        metavar=None if parameter.choices else "N" if parameter.number else "TEXT", help=text,
    )


def taken(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Take the parameters of a question out of a command's options, as (name, value) pairs."""
    pairs: list[tuple[str, str]] = []
    for name in [name for name in options if name.startswith(PREFIX)]:
        value = options.pop(name)
        if value is not None:
            values = value if isinstance(value, tuple) else (value,)
            pairs += [(name.removeprefix(PREFIX), each) for each in values]
    return pairs


def asked(pairs: list[tuple[str, str]]) -> Query:
    """Read the question."""
    from timeline.query import parse_query

    return parse_query(pairs)
