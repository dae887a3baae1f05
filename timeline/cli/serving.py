"""`serve`, `token` and `bench`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import rich_click as click

from timeline.cli.options import as_json
from timeline.cli.output import console, note, print_json, say
from timeline.errors import Malformed

if TYPE_CHECKING:
    from timeline.api.embedding import Embedding
    from timeline.api.limits import Limits
    from timeline.cli.root import Settings

SCOPES = ("read", "write", "admin")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.option("--public-read/--private-read", default=None,
              help="Whether reading needs no token. Has to be said for an address that others can reach.")
@click.option("--max-streams", type=click.IntRange(0, 100_000), default=10_000, show_default=True,
              help="Live streams that may be open at once; further ones are told to come back later.")
@click.option("--max-requests", type=click.IntRange(0, 100_000), default=1_000, show_default=True,
              help="Requests in hand at once, a quarter of them of one address; further ones are told to come back. "
              "0: any number.")
@click.option("--rate", type=click.IntRange(0, 1_000_000), default=200, show_default=True,
              help="Requests a second of one address (of a /64 with IPv6), and ten times as many at once. This machine "
              "is not counted. 0: any number.")
@click.option("--token-rate", type=click.IntRange(0, 1_000_000), default=500, show_default=True,
              help="The same for one token.")
@click.option("--behind-proxy", type=click.IntRange(0, 9), is_flag=False, flag_value=1, default=0, metavar="[HOPS]",
              help="Clients are those that a proxy names in X-Forwarded-For: of so many proxies (1 if only the option "
              "is given) that each add to it. Only where nobody can reach this server but through them.")
@click.option("--public-url", metavar="ORIGIN", help="Where the world knows this server, such as "
              "https://timeline.example.org: for feeds, embeds, citations and links of others. Without it they are "
              "made from the host of each request, or stay relative.")
@click.option("--frame-ancestors", multiple=True, metavar="ORIGINS", help="Who may show /embed in a frame: origins "
              "such as https://news.example or https://*.example.org, self, none, or *. Repeatable.  [default: *]")
@click.option("--log-format", type=click.Choice(("text", "json")), default="text", show_default=True,
              help="Lines for people or one JSON object a line, on standard error.")
@click.option("--log-requests", is_flag=True, help="Log every request, not only those that fail here or take a second.")
@click.pass_obj
def serve(
    settings: Settings, /, *, host: str, port: int, public_read: bool | None, max_streams: int, public_url: str | None,
    frame_ancestors: tuple[str, ...], **more: Any,  # noqa: ANN401 - limits, log_format and log_requests
) -> None:
    """Serve the timeline by HTTP. Writing always needs a token (`timeline token create`).

    \b
    timeline serve
    timeline serve --host 0.0.0.0 --port 8080 --public-read --public-url https://timeline.example.org
    timeline serve --frame-ancestors "https://news.example https://*.example.org"
    """
    from timeline.api import embedding
    from timeline.api.limits import Limits
    from timeline.api.operations import set_up_logging
    from timeline.api.serve import is_loopback

    if public_read is None and not is_loopback(host):
        raise Malformed(f"{host} can be reached by others: add --public-read if everybody may read this timeline, or "
                        "--private-read if reading needs a token")
    shown = embedding.Embedding(
        embedding.public_url(public_url) if public_url is not None else "",
        embedding.frame_ancestors(frame_ancestors or ("*",)))
    set_up_logging(more["log_format"], every=more["log_requests"])
    limits = Limits(requests=more["max_requests"], rate=more["rate"], token_rate=more["token_rate"],
                    proxies=more["behind_proxy"])
    start(settings, host, port, public_read=public_read is not False, max_streams=max_streams, embedding=shown,
          limits=limits)


def start(settings: Settings, host: str, port: int, *, public_read: bool = True, max_streams: int = 10_000,
          embedding: Embedding | None = None, limits: Limits | None = None) -> None:
    """Run the server until it is told to stop; it signs where the log has a key."""
    from timeline.api import serve as server
    from timeline.cli.keys import find_signer, remember
    from timeline.cli.opening import named

    signer = find_signer(settings)
    if not settings.db.is_file():
        note(f"{settings.db} is not there yet: it is made now")
    named(settings.db, settings.origin)
    if signer is not None:
        remember(settings.db, signer)
        note(f"signs checkpoints with the key {signer.verifier.vkey}")
    server.run(settings.db, host=host, port=port, public_read=public_read, signer=signer, max_streams=max_streams,
               embedding=embedding, limits=limits)


@click.group()
def token() -> None:
    """Make, list and revoke the tokens of a server.

    \b
    timeline token create newsroom --scope write --expires 2027-01-31
    timeline token list
    timeline token revoke 3
    """


@token.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), default=("write",), show_default=True,
              help="What it allows: write implies read, admin implies both. Repeatable.")
@click.option("--expires", metavar="DATE", help="Last day on which it is good (UTC), such as 2027-01-31.")
@as_json
@click.pass_obj
def create(settings: Settings, /, *, name: str, scopes: tuple[str, ...], expires: str | None, as_json: bool) -> None:
    """Make a token called NAME; what it appends is signed with that name. The secret is shown now and never again."""
    from timeline.tokens import Tokens, tokens_path

    tokens = Tokens(tokens_path(settings.db))
    try:
        secret = tokens.create(name, scopes, expires)
        number = tokens.all()[-1]["id"]
    finally:
        tokens.close()
    if as_json:
        print_json({"id": number, "name": name, "scopes": sorted(scopes), "expires": expires, "token": secret})
        return
    say(secret)
    note(f"token {number} for {name} ({', '.join(sorted(scopes))}): this is shown once; keep it as TIMELINE_TOKEN")


@token.command("list")
@as_json
@click.pass_obj
def list_(settings: Settings, /, *, as_json: bool) -> None:
    """List the tokens, without their secrets."""
    from timeline.tokens import Tokens, tokens_path

    path = tokens_path(settings.db)
    rows = []
    if path.is_file():
        tokens = Tokens(path)
        rows = tokens.all()
        tokens.close()
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("there are no tokens: `timeline token create NAME` makes one")
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = ("Id", "Name", "Scopes", "Made", "Expires", "Last used", "Revoked")
    table = Table(*names, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        cells = (str(row["id"]), row["name"], ", ".join(row["scopes"]),
                 *(row[name] or "" for name in ("created", "expires", "last_used", "revoked")))
        table.add_row(*map(Text, cells))
    console().print(table)


@token.command("revoke")
@click.argument("number", type=int, metavar="ID")
@click.pass_obj
def revoke(settings: Settings, /, *, number: int) -> None:
    """Make a token useless from now on."""
    from timeline.errors import NotFound
    from timeline.tokens import Tokens, tokens_path

    path = tokens_path(settings.db)
    if not path.is_file():
        raise NotFound(f"there is no token {number}")
    tokens = Tokens(path)
    try:
        tokens.revoke(number)
    finally:
        tokens.close()
    say(f"token {number} is revoked")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure this machine: appends, reads, rebuilds. `timeline bench --help` lists what can be chosen."""
    from timeline.bench import main

    sys.exit(main(list(arguments)))
