"""`torture`: hurting scratch databases, to see what becomes of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from timeline.cli.options import as_json
from timeline.cli.output import console, note, say, write
from timeline.errors import Malformed

if TYPE_CHECKING:
    from timeline.cli.root import Settings

NAMES: Final = ("kill", "import", "syscalls", "power", "wal", "disk", "readonly", "writers", "clock", "replaced",
                "linear")
"""`timeline.torture.TRIALS`, without the time that importing it takes."""


@click.command()
@click.option("--rounds", type=click.IntRange(1, 1_000_000), metavar="N",
              help="Rounds of each trial (default 3); 300 take 20 minutes or more.")
@click.option("--seconds", type=click.FloatRange(0.1, 86_400), metavar="S",
              help="Begin no new round of a trial after so many seconds (default 2, or none with --rounds).")
@click.option("--only", metavar="NAMES", help=f"Some of the trials: {','.join(NAMES)}.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
              help="Other chances. The system's own (who runs when) are never the same twice.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR",
              help="Work in a new folder in this one and leave it there, to look at what was found.")
@as_json
@click.pass_context
def torture(
    context: click.Context, /, *, rounds: int | None, seconds: float | None, only: str | None, seed: int,
    keep: Path | None, as_json: bool,
) -> None:
    """Hurt scratch databases and say what became of what was acknowledged; exit code 7 if anything was lost.

    Kills a server and an import at random moments and at chosen system calls, cuts the power, tears the WAL, fills the
    disk, takes the right to write away, turns the clock back, lets several want to write, puts an older file in the
    log's place, and checks that what 64 clients were told can have happened one after the other.

    Works in a folder of its own on the disk of temporary files (--keep chooses another), which is removed. No database
    of yours is touched: --db and --url are not looked at. System calls and power cuts need Linux and strace; without it
    they are skipped, and the table says so.

    \b
    timeline torture                                      (half a minute)
    timeline torture --rounds 300                         (what the README's figures are)
    timeline torture --only kill,linear --seconds 60 --seed 7
    """
    from timeline.torture import EXIT_FAULT, machine, show
    from timeline.torture import torture as hold

    settings: Settings = context.obj
    if settings.chosen or settings.url:
        note("torture makes its own databases: --db and --url are not touched")
    verdicts = hold(_names(only), rounds=rounds, seconds=seconds, seed=seed, keep=keep,
                    show_progress=sys.stderr.isatty())
    if as_json:
        write(show.as_json(verdicts, {**machine(), "seed": seed}) + b"\n")
    else:
        say(", ".join(f"{name} {value}" for name, value in machine().items()) + f", seed {seed}")
        console().print(show.table(verdicts))
        for sentence in (*show.sentences(verdicts), show.summary(verdicts)):
            say(sentence)
    context.exit(0 if all(verdict.good for verdict in verdicts) else EXIT_FAULT)


def _names(only: str | None) -> list[str]:
    """Read which trials are wanted, in the order in which they are held.

    Raises:
        Malformed: there is no such trial.

    """
    wanted = [name.strip() for name in (only or "").split(",") if name.strip()]
    for name in wanted:
        if name not in NAMES:
            raise Malformed(f"--only: there is no trial {name}: expected some of {', '.join(NAMES)}")
    return [name for name in NAMES if name in wanted]


__all__ = ["NAMES", "torture"]
