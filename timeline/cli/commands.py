"""Which commands there are."""

from __future__ import annotations

import rich_click as click

from timeline.cli.backing import backup, restore
from timeline.cli.care import doctor, rebuild, verify
from timeline.cli.changing import changes
from timeline.cli.demo import demo
from timeline.cli.erasing import erase
from timeline.cli.keys import key
from timeline.cli.proving import checkpoint, proof
from timeline.cli.reading import export, history, show
from timeline.cli.serving import bench, serve, token
from timeline.cli.snapshots import snapshot
from timeline.cli.tormenting import torture
from timeline.cli.witnessing import follow, witness
from timeline.cli.writing import import_

ALL = (
    demo, serve, import_, export, show, history, changes, snapshot, verify, checkpoint, proof, key, follow, witness,
    erase, rebuild, backup, restore, token, doctor, bench, torture,
)


def attach(group: click.RichGroup) -> None:
    """Add every command to the root command."""
    for command in ALL:
        group.add_command(command)
