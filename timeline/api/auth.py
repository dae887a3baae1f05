"""Who may do what: bearer tokens with scopes. Reads are public unless the server is told otherwise."""

from __future__ import annotations

from timeline.api.asking import AnyRequest
from timeline.errors import Forbidden, Unauthorized
from timeline.tokens import Grant, Tokens


def require(request: AnyRequest, tokens: Tokens, scope: str, *, public_read: bool) -> None:
    """Let a request pass, or say what it lacks.

    Raises:
        Unauthorized: a token is needed, or the one given is unknown, expired or revoked.
        Forbidden: the token does not carry the scope.

    """
    grant = _grant(request, tokens)
    if scope == "read" and public_read:
        return
    if grant is None:
        raise Unauthorized("send a token: Authorization: Bearer tl_... (make one with `timeline token create`)")
    if scope not in grant.scopes:
        raise Forbidden(f"this needs the scope {scope}; the token {grant.name} has {', '.join(sorted(grant.scopes))}")


def _grant(request: AnyRequest, tokens: Tokens) -> Grant | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    grant = tokens.check(secret.strip()) if scheme.lower() == "bearer" else None
    if grant is None:
        raise Unauthorized("this token is unknown, expired or revoked")
    request.scope["auth"], request.scope["user"] = grant.name, grant
    return grant


def author_of(request: AnyRequest) -> str:
    """Give the name of the token that signs what is appended."""
    name: str = request.scope["auth"]
    return name


def grant_of(request: AnyRequest) -> Grant | None:
    """Give what the token that came with a request allows; None where none came."""
    grant: Grant | None = request.scope.get("user")
    return grant


__all__ = ["author_of", "grant_of", "require"]
