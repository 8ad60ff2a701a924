"""The records of one object as operations need them: looked at, compared, and shown as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from tap_kit import in_batches
from tap_salesforce.api import DELETED, STAMP, NotConvertible, Org, SObject, folded, literal, long_id
from tap_salesforce.api.org import Shown
from target_kit import Applied, Fault, Kind, Operation, Outcome, Rejected, Stale
from target_salesforce.columns import Column, column_of
from target_salesforce.settings import KEY

Outcomes: TypeAlias = dict[str, Outcome]
"""By the id of the operation."""

MODIFIED = "LastModifiedDate"
_ADDRESS = 14_000
"""Bytes of a query in an address, of which Salesforce takes 16,384 with all headers."""

RETRIEVED = 2000
"""Records that one request shows by their ids."""

_FEW = 250
"""Keys of links that one address holds."""

_PAGE = 2000
"""Rows on a page of a query, if Salesforce does not choose fewer."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one object. `link`: the field for the key of a link; `key`: the key columns of the stream."""

    org: Org
    object: SObject
    link: str
    key: tuple[str, ...]

    @property
    def has_link(self) -> bool:
        """Whether the object has the field for the key of a link, as a unique one."""
        known = self.object.fields.get(self.link)
        return known is not None and known.unique and known.external_id and known.createable

    # ---- values

    def column(self, name: str) -> Column | None:
        """The column of this name, if the object has it."""
        return column_of(self.object, name)

    def convertible(self, operations: Sequence[Operation]) -> tuple[Outcomes, list[Operation]]:
        """Operations with a value that Salesforce could not take are rejected here; the other ones."""
        outcomes: Outcomes = {}
        for op in operations:
            try:
                self.to_send(op.values, creating=op.kind is Kind.CREATE)
            except NotConvertible as wrong:
                outcomes[op.op_id] = Rejected(Fault("NotConvertible", str(wrong), 400))
        return outcomes, [op for op in operations if op.op_id not in outcomes]

    def to_send(self, values: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
        """The values to send. Raises `NotConvertible`."""
        return dict(self._writable(name, creating=creating).sent(value) for name, value in values.items())

    def changed(self, values: Mapping[str, Any], there: Shown) -> dict[str, Any]:
        """What to send so that the record holds these values: only what differs."""
        differing = {
            name: value
            for name, value in values.items()
            if not (known := self._writable(name, creating=False)).same(known.held(there), value)
        }
        return self.to_send(differing, creating=False)

    def differs(self, op: Operation, there: Shown) -> bool:
        """Whether something else than expected is there; what is there already as wanted is no surprise."""
        for name, expected in op.expect.items():
            known = self.column(name)
            if known is None or known.same(known.held(there), expected):
                continue
            if name not in op.values or not known.same(known.held(there), op.values[name]):
                return True
        return False

    def is_writable(self, name: str, *, creating: bool) -> bool:
        """Whether a column can be written."""
        known = self.column(name)
        return known is not None and (known.field.createable if creating else known.field.updateable)

    def _writable(self, name: str, *, creating: bool) -> Column:
        known = self.column(name)
        if known is None:
            raise NotConvertible(
                f"{name}: {self.object.name} has no such field, or the user may not see it; add it, or map another"
            )
        if not self.is_writable(name, creating=creating):
            when = "when a record is made" if creating else "in a record that is there"
            raise NotConvertible(f"{name}: cannot be written {when}; map it one way, from Salesforce")
        return known

    # ---- looks

    def look(self, by: str, values: Iterable[str], names: Iterable[str], only: str = "") -> Iterator[Shown]:
        """The records with one of these values in the field `by`, in the recycle bin too; `only`: a further condition.

        Where fewer pages show all records that have any value there, these are read.
        """
        wanted = {KEY, STAMP, DELETED} & self.object.fields.keys() | {KEY, by}
        wanted |= {name for name in names if self.column(name) is not None}
        clause = f"{only} AND {by}" if only else by
        head = f"SELECT {', '.join(sorted(wanted))} FROM {self.object.name} WHERE {clause}"  # noqa: S608 - SOQL
        field, what = self.object.fields[by], f"a look at records of {self.object.name}"
        asked = {folded(field, value): literal(field, value) for value in values}
        lists = list(_lists(sorted(asked.values()), _ADDRESS - len(quote_plus(head))))
        if len(lists) > 1 and by != KEY:
            total, pages = self.org.found(f"{head} != null", what)
            if total <= _PAGE * len(lists):
                for page in pages:
                    yield from (each for each in page if folded(field, each[by]) in asked)
                return
        for listed in lists:
            for page in self.org.pages(f"{head} IN ({listed})", what):
                yield from page

    def linked(self, keys: Sequence[str], names: Iterable[str], *, surely: bool) -> dict[str, Shown]:
        """The records that have the keys of these links, by key.

        Of many, those alone that lie in the recycle bin, unless all are wanted `surely`: the live ones are known by
        the refusal to make another.
        """
        only = "" if surely or len(keys) <= _FEW or DELETED not in self.object.fields else f"{DELETED} = TRUE"
        return {str(each[self.link]): each for each in self.look(self.link, keys, names, only)}

    def by_id(self, operations: Sequence[Operation], ids: Mapping[str, str]) -> dict[str, Shown]:
        """What is there of the records with these ids, by id, with the fields that the operations speak of."""
        names = {name for op in operations for name in (*op.expect, *op.values)} | {KEY, STAMP, MODIFIED}
        wanted, found = sorted(names & self.object.fields.keys()), dict[str, Shown]()
        for some in in_batches(sorted(set(ids.values())), RETRIEVED):
            shown = self.org.read(self.object.name, some, wanted, f"a look at records of {self.object.name}")
            found |= {str(each[KEY]): each for each in shown if each is not None}
        return found

    # ---- what is told

    def applied(self, op: Operation, shown: Shown) -> Applied:
        """The outcome of an operation that is written."""
        return Applied(self.key_of(str(shown[KEY])), self.shown(shown, op.values), _version(shown))

    def stale(self, op: Operation, shown: Shown) -> Stale:
        """The outcome of an operation that found something else than expected."""
        return Stale(self.key_of(str(shown[KEY])), self.shown(shown, {*op.expect, *op.values}), _version(shown))

    def shown(self, there: Shown, names: Iterable[str]) -> dict[str, Any]:
        """The values of a record, as the tap shows them."""
        known = self.object.fields
        return {name: known[name].from_salesforce(there.get(name)) for name in sorted(set(names)) if name in known}

    def key_of(self, key: str) -> dict[str, str]:
        """The key of a record, by column."""
        return dict.fromkeys(self.key or (KEY,), key)


def id_of(op: Operation) -> str:
    """The id of an operation's record, in 18 characters."""
    return long_id(str(next(iter(op.key.values()), "")))


def _version(shown: Shown) -> str | None:
    found = shown.get(STAMP)
    return None if found is None else str(found)


def _lists(literals: Sequence[str], most: int) -> Iterator[str]:
    """Literals as lists in SOQL, none of them longer than `most` bytes in an address."""
    listed: list[str] = []
    size = 0
    for each in literals:
        length = len(quote_plus(each + ", "))
        if listed and size + length > most:
            yield ", ".join(listed)
            listed, size = [], 0
        listed.append(each)
        size += length
    if listed:
        yield ", ".join(listed)
