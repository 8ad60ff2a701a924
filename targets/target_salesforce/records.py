"""The records of one object as operations need them: looked at, compared, and shown as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tap_salesforce.api import DELETED, STAMP, Field, NotConvertible, Org, SObject, long_id, same, to_salesforce
from tap_salesforce.api.org import Shown
from target_kit import Applied, Fault, Kind, Operation, Outcome, Rejected, Stale

Outcomes: TypeAlias = dict[str, Outcome]
"""By the id of the operation."""

KEY = "Id"
_AT_ONCE = 200
"""Values in one query, whose text has to fit into an address."""


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
        return {name: to_salesforce(self._writable(name, creating=creating), value) for name, value in values.items()}

    def changed(self, values: Mapping[str, Any], there: Shown) -> dict[str, Any]:
        """What to send so that the record holds these values: only what differs."""
        fields = self.object.fields
        differing = {name: value for name, value in values.items() if not same(fields[name], there.get(name), value)}
        return self.to_send(differing, creating=False)

    def differs(self, op: Operation, there: Shown) -> bool:
        """Whether something else than expected is there; what is there already as wanted is no surprise."""
        for name, expected in op.expect.items():
            known = self.object.fields.get(name)
            if known is None or same(known, there.get(name), expected):
                continue
            if name not in op.values or not same(known, there.get(name), op.values[name]):
                return True
        return False

    def look(self, by: str, values: Iterable[str], names: Iterable[str]) -> list[Shown]:
        """The records with one of these values in the field `by`, in the recycle bin too."""
        wanted = sorted({KEY, STAMP, DELETED, by, *names} & (self.object.fields.keys() | {KEY}))
        asked, found = sorted(set(values)), list[Shown]()
        for start in range(0, len(asked), _AT_ONCE):
            listed = ", ".join(_quoted(each) for each in asked[start : start + _AT_ONCE])
            query = f"SELECT {', '.join(wanted)} FROM {self.object.name} WHERE {by} IN ({listed})"  # noqa: S608 - SOQL
            for page in self.org.pages(query, f"a look at records of {self.object.name}"):
                found += page
        return found

    def by_id(self, operations: Sequence[Operation], ids: Mapping[str, str]) -> dict[str, Shown]:
        """What is there of the records with these ids, by id, with the fields that the operations speak of."""
        names = {name for op in operations for name in (*op.expect, *op.values)}
        return {str(each[KEY]): each for each in self.look(KEY, ids.values(), names)} if ids else {}

    def applied(self, op: Operation, shown: Shown) -> Applied:
        """The outcome of an operation that is written."""
        return Applied(self.key_of(str(shown[KEY])), self.shown(shown, op.values), str(shown[STAMP]))

    def stale(self, op: Operation, shown: Shown) -> Stale:
        """The outcome of an operation that found something else than expected."""
        return Stale(self.key_of(str(shown[KEY])), self.shown(shown, {*op.expect, *op.values}), str(shown[STAMP]))

    def shown(self, there: Shown, names: Iterable[str]) -> dict[str, Any]:
        """The values of a record, as the tap shows them."""
        known = self.object.fields
        return {name: known[name].from_salesforce(there.get(name)) for name in sorted(set(names)) if name in known}

    def key_of(self, key: str) -> dict[str, str]:
        """The key of a record, by column."""
        return dict.fromkeys(self.key or (KEY,), key)

    def _writable(self, name: str, *, creating: bool) -> Field:
        known = self.object.fields.get(name)
        if known is None:
            raise NotConvertible(
                f"{name}: {self.object.name} has no such field, or the user may not see it; add it, or map another"
            )
        if not (known.createable if creating else known.updateable):
            when = "when a record is made" if creating else "in a record that is there"
            raise NotConvertible(f"{name}: cannot be written {when}; map it one way, from Salesforce")
        return known


def id_of(op: Operation) -> str:
    """The id of an operation's record, in 18 characters."""
    return long_id(str(next(iter(op.key.values()), "")))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
