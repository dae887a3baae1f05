"""The report: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timeline.torture.verdicts import FAULTS, Verdict

HEADINGS: Final = {
    "lost": "lost", "torn": "torn", "twice": "twice", "unsound": "verify", "differing": "views", "lies": "said",
}


LEGEND: Final = (
    "told: acknowledged requests.\nWhat has to be 0: lost (acknowledged and not there), torn (a part of a batch), "
    "twice, verify (logs that do not),\nviews (that are not a fold of the log), said (anything else that is not as it "
    "was said).\n"
)


def table(verdicts: Sequence[Verdict]) -> Table:
    """Lay the trials out, one a line; what has to be 0 is red where it is not."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("trial", no_wrap=True)
    shown.add_column("what happened", overflow="fold")
    for name in ("rounds", "told", *HEADINGS.values(), "s"):
        shown.add_column(name, justify="right")
    for verdict in verdicts:
        if verdict.skipped:
            shown.add_row(Text(verdict.trial), Text(f"skipped: {verdict.skipped}", style="yellow"))
            continue
        counts = [Text(f"{count:,}", style="bold red" if count else "green")
                  for count in (getattr(verdict, name) for name in FAULTS)]
        shown.add_row(Text(verdict.trial), Text(verdict.what), f"{verdict.rounds:,}", f"{verdict.acknowledged:,}",
                      *counts, f"{verdict.seconds:.0f}")
    return shown


def sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """Give what is to be said below the table: findings first."""
    found = [f"FOUND {verdict.trial}: {each}" for verdict in verdicts for each in verdict.findings]
    return [LEGEND, *found, *(f"{verdict.trial}: {each}" for verdict in verdicts for each in verdict.notes)]


def summary(verdicts: Sequence[Verdict]) -> str:
    """Say in a sentence how it went."""
    held = [verdict for verdict in verdicts if not verdict.skipped]
    rounds, acknowledged = sum(each.rounds for each in held), sum(each.acknowledged for each in held)
    faults = sum(getattr(each, name) for each in held for name in FAULTS)
    skipped = f"; {len(verdicts) - len(held)} trials skipped" if len(held) < len(verdicts) else ""
    told = "nothing was lost, torn or said wrongly" if not faults else f"{faults:,} faults were found"
    return f"{rounds:,} rounds, {acknowledged:,} acknowledged requests: {told}{skipped}"


def as_json(verdicts: Sequence[Verdict], about: Mapping[str, Any]) -> bytes:
    """Give everything as JSON."""
    trials = [{**msgspec.to_builtins(verdict), "good": verdict.good} for verdict in verdicts]
    return msgspec.json.format(msgspec.json.encode({**about, "summary": summary(verdicts), "trials": trials}), indent=2)


def progress_console() -> Console:
    """Give the console that progress goes to: standard error, so that the report can be piped."""
    return Console(stderr=True)


__all__ = ["as_json", "progress_console", "sentences", "summary", "table"]
