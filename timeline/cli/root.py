"""The root command: options every command shares, and what happens when one fails.

An error is one line that says what to do, with its faults below; the exit code tells scripts which kind it was.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import rich_click as click

from timeline.cli.output import complain, plain_streams
from timeline.errors import TimelineError

click.rich_click.TEXT_PARAGRAPH_LINEBREAKS = "\n\n"

EXIT_INTERNAL: Final = 1
EXIT_INTERRUPTED: Final = 130
EPILOG: Final = """\
Exit codes: 0 done · 1 internal error · 2 wrong usage or content · 3 not found · 4 conflict · 5 not allowed ·
6 busy, or the question is too costly · 7 the log is damaged, or has another history · 130 interrupted.
"""


@dataclass(slots=True)
class Settings:
    """What the options before the command say. The token is never shown, not even by `repr`."""

    db: Path
    url: str | None
    token: str | None
    chosen: bool
    """Whether --db (or TIMELINE_DB) was given."""
    origin: str | None = None
    """Name of a log that is made now."""
    key: Path | None = None
    """File of the key that signs; without it, the one beside the log."""

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Settings(db={str(self.db)!r}, url={self.url!r})"


class Root(click.RichGroup):
    """The command group that turns failures into sentences and exit codes."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any  # noqa: ANN401
             ) -> NoReturn:
        """Run and exit."""
        plain_streams()
        extra["standalone_mode"] = False
        try:
            code = super().main(args, prog_name or "timeline", **extra)
        except BaseException as error:  # noqa: BLE001 - the last line of defence: nobody is to see a traceback
            sys.exit(_explained(error))
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401 - whatever a command gives
        """Run a command; one whose reader has had enough (`timeline export | head`) ends in peace."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return result


def _explained(error: BaseException) -> int:
    """Say what went wrong and give the exit code."""
    match error:
        case SystemExit():
            code = error.code if isinstance(error.code, int) else EXIT_INTERNAL
        case click.ClickException():
            _wrong_usage(error)
            code = error.exit_code
        case click.Abort() | KeyboardInterrupt():
            code = EXIT_INTERRUPTED
        case TimelineError():
            complain(error.detail, error.faults)
            code = error.exit_code
        case _:
            code = _unforeseen(error)
    return code


def _wrong_usage(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    hint = f"; see `{context.command_path} --help`" if context is not None else ""
    complain(error.format_message().rstrip(".") + hint)


def _unforeseen(error: BaseException) -> int:
    if os.environ.get("TIMELINE_DEBUG"):
        raise error
    match error:
        case sqlite3.OperationalError() if "full" in str(error):
            complain("the disk is full: make room and run the command again")
        case sqlite3.DatabaseError():
            complain("SQLite cannot use the file: run `timeline doctor`, and `timeline verify`")
        case PermissionError():
            complain(f"no permission for {Path(error.filename or '').name or 'the file'}")
        case OSError():
            complain(f"{Path(str(error.filename or '')).name or 'the system'}: {error.strerror or 'failed'}")
        case _:
            complain("internal error, which is a bug: set TIMELINE_DEBUG=1 to see where")
    return EXIT_INTERNAL


@click.group(cls=Root, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--db", type=click.Path(path_type=Path, dir_okay=False), default=Path("timeline.db"), show_default=True,
              envvar="TIMELINE_DB", show_envvar=True, help="The log's file.")
@click.option("--url", envvar="TIMELINE_URL", show_envvar=True, metavar="URL",
              help="A running server instead of a file, where a command can ask one.")
@click.option("--token", envvar="TIMELINE_TOKEN", show_envvar=True, metavar="SECRET", show_default=False,
              help="Token for the server; better kept in the environment than typed.")
@click.option("--origin", metavar="NAME", help="Name of a log that this command makes, for ever: an address without "
                                               "https://, such as news.example/log. Default: made up.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), envvar="TIMELINE_KEY", show_envvar=True,
              metavar="FILE", help="Private key that signs checkpoints. Default: NAME.key beside the log, if it is "
                                   "there.")
@click.version_option(package_name="timeline", message="timeline %(version)s")
@click.pass_context
def cli(context: click.Context, /, db: Path, url: str | None, token: str | None, origin: str | None, key: Path | None
        ) -> None:
    """Keep a chronicle you can cite: dated events in an immutable log, read per actor, topic or date range.

    \b
    A real timeline, ready to look at:
      timeline demo
    Files into the log; run it twice, and nothing changes:
      timeline import events.ndjson more.csv
    What she did and said, in order:
      timeline show --actor karoline-leavitt
    What happened between two dates:
      timeline show --from 2025-08-15 --to 2025-08-19
    A table for a spreadsheet:
      timeline export -f csv -o events.csv
    Whether anything has been altered:
      timeline verify
    """
    source = context.get_parameter_source("db")
    chosen = source is not None and source.name != "DEFAULT"
    context.obj = Settings(db, url, token, chosen, origin, key)


def main() -> NoReturn:
    """Run the command line."""
    cli.main()
