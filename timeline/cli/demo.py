"""`demo`: the real seed timeline, what it shows, and a server to look at it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from timeline.cli.opening import named
from timeline.cli.output import console, say

if TYPE_CHECKING:
    from timeline.chronicle import Timeline
    from timeline.cli.root import Settings

MILESTONES: Final = ("alaska-summit", "washington-meeting", "leavitt-briefing", "paris-summit")
SPEAKER: Final = "karoline-leavitt"
TOPIC: Final = "us-troops"
REVISED: Final = "alaska-summit"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; this machine only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.option("--serve/--no-serve", "serving", default=True, help="Start the server afterwards, or stop here.")
@click.pass_obj
def demo(settings: Settings, /, *, host: str, port: int, serving: bool) -> None:
    """Import the real seed timeline, show what can be read from it, and serve it.

    \b
    timeline demo
    timeline --db my-demo.db demo --no-serve
    """
    from dataclasses import replace

    from timeline.chronicle import Timeline
    from timeline.cli.serving import start

    if serving:
        _this_machine_only(host)
    path = settings.db if settings.chosen else place()
    named(path, settings.origin)
    _fill(path)
    with Timeline.open(path) as timeline:
        _tell(timeline, path)
    if not serving:
        return
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    say(f"\nThe page       {base}/\nThe API        {base}/v1/events\nIts reference  {base}/docs\n")
    say("Ctrl-C stops the server.")
    start(replace(settings, db=path), host, port)


def _this_machine_only(host: str) -> None:
    from timeline.api.serve import is_loopback
    from timeline.errors import Malformed

    if not is_loopback(host):
        raise Malformed(f"{host} can be reached by others: the demo is served on this machine only")


def place() -> Path:
    """Give the place of the demo's log: among the user's data, or where there is none, among temporary files."""
    import tempfile

    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    folder = Path(base) / "timeline"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir())
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir())
    return folder / "demo.db"


def seeds() -> Path:
    """Find the seeds: inside the package, or beside it in a checkout."""
    from timeline.errors import NotFound

    package = Path(sys.modules["timeline"].__file__ or "").parent
    for folder in (package / "_seeds", package.parent / "seeds"):
        if folder.is_dir():
            return folder
    raise NotFound("the seed timeline is not installed with this package: get it from the source repository")


def _fill(path: Path) -> None:
    from timeline.cli.writing import run, writing
    from timeline.importing import Manner, find

    with writing(path) as target:
        outcome = run(target, find([seeds()]), Manner())
    state = f"imported {outcome.new} records" if outcome.new else "found there already, and reused"
    say(f"The seed timeline ({state}): {path}")


def _tell(timeline: Timeline, path: Path) -> None:
    """Print what the timeline shows."""
    from timeline.cli.tables import events_table, positions_table

    names = _Names(timeline)
    out = console()
    out.rule("Four milestones, in order", style="dim")
    milestones = sorted((timeline.event(each) for each in MILESTONES), key=lambda event: str(event["earliest"]))
    out.print(events_table(milestones, names))
    out.rule("Karoline Leavitt's own timeline", style="dim")
    out.print(events_table(timeline.timeline(SPEAKER), names))
    out.rule("Who stood where on US troops; a change of stance is marked", style="dim")
    out.print(positions_table(timeline.positions(TOPIC), names))
    out.rule("What this log knew then, and knows now", style="dim")
    _then_and_now(timeline)
    say(f"Look further with:  timeline --db {path} show --topic security-guarantees")


class _Names(dict[str, str]):
    """Names of actors, looked up when they are wanted."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def get(self, actor: str, default: Any = None) -> Any:  # noqa: ANN401 - the signature of dict
        if actor not in self:
            from timeline.errors import NotFound

            try:
                self[actor] = self._timeline.actor(actor)["name"]
            except NotFound:
                return default
        return self[actor]


def _then_and_now(timeline: Timeline) -> None:
    """Compare an event before and after the last revision that changed more than its citations."""
    from timeline.cli.tables import when

    versions = timeline.history(REVISED)
    telling = [each for each in versions if set(each.get("changes", {})) - {"citations"}]
    if not telling:
        return
    revision = telling[-1]["revision"]
    position = revision["position"] - 1
    for at, moment in ((position, f"at position {position}"), (None, "now")):
        event = timeline.event(REVISED, at)
        say(f"  {moment:16} {event['title']}: {when(event)} ({event['status']}, {event['certainty']})")
    say(f"  {'why':16} {revision.get('reason', '')}\n")
