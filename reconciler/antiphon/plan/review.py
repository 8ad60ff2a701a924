"""What makes an operation the one that a person reviewed: the record, what is written, what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from antiphon.equivalence import canonical_json, from_json, is_empty
from antiphon.identity import short_id
from antiphon.model import OpKind, Side, Value

_MARK = "$hidden"


class Reviewable(Protocol):
    """An operation, in the outbox or in a plan file."""

    @property
    def lid(self) -> str:
        """The link."""

    @property
    def side(self) -> Side:
        """The side that is written."""

    @property
    def kind(self) -> OpKind:
        """What is done there."""

    @property
    def key(self) -> Mapping[str, Value]:
        """The record's key."""

    @property
    def patch(self) -> Mapping[str, Value]:
        """What is written."""

    @property
    def expect(self) -> Mapping[str, Value]:
        """What is believed to be there."""


def fingerprint(op: Reviewable) -> str:
    """What the operation writes where, in twelve hex digits: the same however often it is planned."""
    digests = [
        {name: digest(op.lid, name, value) for name, value in part.items()} for part in (op.key, op.patch, op.expect)
    ]
    return short_id(op.lid, op.side, op.kind.value, *(canonical_json(part) for part in digests))


def marked(op: Reviewable, name: str, value: Value) -> dict[str, str]:
    """A value that a plan file does not show, in the form that the fingerprint takes for the value itself."""
    return {_MARK: digest(op.lid, name, value)}


def digest(lid: str, name: str, value: Value) -> str:
    """Tells a value from others of the same field and record; whether it came from a tap, a ledger or a file."""
    if isinstance(value, dict) and value.keys() == {_MARK}:
        return str(value[_MARK])
    plain = None if is_empty(value) else from_json(canonical_json(value))
    return short_id(lid, name, canonical_json(plain))
