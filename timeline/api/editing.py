"""What a form needs to ask while somebody types: a date in words, and what the token at hand allows.

Both are of use to every client, so they are part of the API and not of the editor's page.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response

from timeline.api.answers import respond
from timeline.api.asking import AnyRequest, no_parameters, query_pairs, take
from timeline.api.auth import grant_of
from timeline.edtf import Edtf, EdtfError, iso, parse
from timeline.errors import Fault, Malformed
from timeline.query import Parameter, parse_query
from timeline.web.show import shape
from timeline.wording import language, when_in_words

DATE_PARAMETERS: Final = (
    Parameter("text", "A date in EDTF; without it, the words for what has no date", "[2025-08-15..2025-08-18]"),
    Parameter("lang", "Language of the words: en or fr, anything else reads English", "fr", default="en"),
    Parameter("tz", "IANA zone whose calendar the date is of", "Europe/Paris", default="UTC"),
    Parameter("expected", "Whether the date is that of a plan: an open end is then not ongoing but not given", "true",
              choices=("true", "false"), default="false"),
)
_ANY: Final = parse("2025")


class Editing:
    """Handlers of small questions; nothing here reads the log."""

    async def date(self, request: AnyRequest) -> Response[bytes]:
        """Read a date as EDTF and say it in words, with its bounds in UTC and the shape it is drawn in.

        Raises:
            Malformed: it is no EDTF, or there is no such zone; `reason`, `hint` and `offset` say what is wrong where.

        """
        own, rest = take(query_pairs(request), [parameter.name for parameter in DATE_PARAMETERS])
        parse_query(rest, known=())
        expected = own.get("expected", "false")
        if expected not in ("true", "false"):
            raise Malformed("expected: expected true or false", faults=(Fault("?expected", "expected true or false"),))
        text, lang, tz = own.get("text"), language(own.get("lang")), own.get("tz")
        when = _read(text)
        earliest, latest = _bounds(when, tz)
        answer: dict[str, Any] = {
            "edtf": text, "words": when_in_words(when, lang, tz, expected=expected == "true"), "shape": shape(text),
            "earliest": earliest, "latest": latest, "lang": lang,
        }
        if when is not None:
            answer |= {"kind": when.kind, "precision": when.precision, "level": when.level,
                       "approximate": when.approximate, "uncertain": when.uncertain}
        return await respond(request, msgspec.json.encode(answer))

    async def token(self, request: AnyRequest) -> Response[bytes]:
        """Say whose the token at hand is and what it allows; without one, what anybody may do here.

        Who is not let in at all never gets here: a bad token is 401, as everywhere.
        """
        no_parameters(request)
        grant = grant_of(request)
        name, scopes = (grant.name, sorted(grant.scopes)) if grant else (None, ["read"])
        content = msgspec.json.encode({"name": name, "scopes": scopes})
        headers = {"Cache-Control": "no-store", "Vary": "Authorization, Accept-Encoding"}
        return await respond(request, content, headers=headers)


def _read(text: str | None) -> Edtf | None:
    if text is None:
        return None
    try:
        return parse(text)
    except EdtfError as error:
        raise _wrong("text", error) from None


def _bounds(when: Edtf | None, tz: str | None) -> tuple[str | None, str | None]:
    """Give first and last second in UTC; a zone is checked even where there is no date."""
    try:
        bounds = (when or _ANY).bounds(tz)
    except EdtfError as error:
        raise _wrong("tz", error) from None
    earliest, latest = bounds if when is not None else (None, None)
    return None if earliest is None else iso(earliest), None if latest is None else iso(latest)


def _wrong(name: str, error: EdtfError) -> Malformed:
    sentence = f"{error.reason}; {error.hint}"
    return Malformed(f"{name}: {sentence}", faults=(Fault(f"?{name}", sentence),), reason=error.reason,
                     hint=error.hint, offset=error.offset)


__all__ = ["DATE_PARAMETERS", "Editing"]
