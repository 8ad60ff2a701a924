"""The account itself: records, their history, and what its people do to them by hand.

Every write takes its time from the account's clock and says who made it. Webhooks and the search index hear of each.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from antiphon_sandbox.hubspot.errors import Refused, already_exists, not_found, refuse, unknown_type
from antiphon_sandbox.hubspot.index import Index
from antiphon_sandbox.hubspot.links import Links
from antiphon_sandbox.hubspot.merging import merged
from antiphon_sandbox.hubspot.records import PERSON, Record, Source, Version
from antiphon_sandbox.hubspot.schema import SINGULAR, ObjectType, Property, object_types
from antiphon_sandbox.hubspot.values import Text, checked, iso


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Account:
    """A portal. `lag` is how many milliseconds the search index trails; `mints` whether a merge makes a new id."""

    def __init__(
        self,
        *,
        portal: int = 62_515,
        app: int = 1_234_567,
        lag: int = 0,
        mints: bool = True,
        clock: Callable[[], int] = _milliseconds,
    ) -> None:
        self.portal, self.app, self.mints, self.clock = portal, app, mints, clock
        self.lock = threading.RLock()
        self.kinds = object_types()
        self.records: dict[tuple[str, str], Record] = {}
        self.forward: dict[tuple[str, str], str] = {}  # ids that merges took away, to the survivor
        self.index = Index(lag)
        self.links = Links(self)
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.born = clock()
        self.ids = count(37_765_128_001, 7)
        self._order: dict[str, list[int]] = {}  # ids by type, ascending; those of records that are gone are skipped
        self._trash: dict[str, dict[str, None]] = {}
        self._unique: dict[tuple[str, str, str], str] = {}
        self.api = Source("INTEGRATION", str(app), "Antiphon")

    # ---- reading

    def kind(self, name: str) -> ObjectType:
        """The object type that a path names: plural, singular, type id, or a custom type's name."""
        wanted = SINGULAR.get(name.lower(), name)
        found = self.kinds.get(wanted) or next((k for k in self.kinds.values() if k.type_id == name), None)
        if found is None and name.startswith(f"p{self.portal}_"):
            found = self.kinds.get(name.removeprefix(f"p{self.portal}_"))
        if found is None:
            raise unknown_type(name)
        return found

    def find(self, kind: ObjectType, key: str, by: str | None = None, *, archived: bool = False) -> Record | None:
        """The record with that id, or with that value of a unique property. An id that was merged away forwards."""
        if by and by != "hs_object_id":
            known = kind.properties.get(by)
            if known is None or not known.unique:
                raise refuse(400, f"Property {by} is not a unique property of {kind.name}", "VALIDATION_ERROR")
            if archived:
                held = [
                    k for k in self._trash.get(kind.name, ()) if self._bin(kind, k).values.get(by) == _folded(by, key)
                ]
                return self._bin(kind, held[-1]) if held else None
            key = self._unique.get((kind.name, by, _folded(by, key)), "")
        seen = self.records.get((kind.name, self.forwarded(kind, key)))
        return seen if seen is not None and (seen.archived is not None) == archived else None

    def forwarded(self, kind: ObjectType, key: str) -> str:
        """The id that stands for this one after merges."""
        while (kind.name, key) in self.forward:
            key = self.forward[kind.name, key]
        return key

    def all(self, kind: ObjectType, *, archived: bool = False, after: str = "0") -> Iterator[Record]:
        """The records of a type in the order of their ids, from the one after `after` on."""
        order = self._order.get(kind.name, [])
        for number in order[bisect.bisect_right(order, int(after)) :] if after != "0" else order:
            record = self.records.get((kind.name, str(number)))
            if record is not None and (record.archived is not None) == archived:
                yield record

    # ---- writing

    def create(self, kind: ObjectType, given: Mapping[str, Any], source: Source) -> Record:
        """Make a record. Raises `Refused` for values that are not valid or not unique."""
        kept = checked(kind, given)
        missing = [name for name in kind.required if not kept.get(name)]
        if missing:
            raise refuse(
                400, f"Error creating {kind.label.upper()}. Some required properties were not set.", "VALIDATION_ERROR",
                errors=[{"message": "One or more required properties are missing", "context": {"properties": missing}}],
            )  # fmt: skip
        self._must_be_unique(kind, kept, None)
        now = self.clock()
        record = Record(kind, str(next(self.ids)), now, now)
        self.place(record)
        self.put(record, {k: v for k, v in kept.items() if v is not None}, source, now)
        self.put(record, self._computed(record, source), Source("CALCULATED"), now)
        self.tell(kind, "creation", record, source)
        self.index.note(record, now)
        return record

    def update(self, record: Record, given: Mapping[str, Any], source: Source) -> Record:
        """Change some values. Raises `Refused`."""
        kept = checked(record.kind, given)
        self._must_be_unique(record.kind, kept, record)
        now = max(self.clock(), record.updated)
        self.put(record, kept, source, now)
        for name, value in kept.items():
            self.tell(record.kind, "propertyChange", record, source, propertyName=name, propertyValue=value)
        self.touch(record, now)
        return record

    def touch(self, record: Record, now: int) -> None:
        """The record counts as modified from `now` on."""
        record.updated = now
        record.values[record.kind.modified] = iso(now)
        self.index.note(record, now)

    def archive(self, record: Record, source: Source) -> None:
        """Move the record to the recycle bin."""
        if record.archived is not None:
            return
        now = self.clock()
        record.archived = record.updated = now
        self._trash.setdefault(record.kind.name, {})[record.id] = None
        self.free(record)
        self.tell(record.kind, "deletion", record, source)
        self.index.note(record, now)

    def erase(self, record: Record) -> None:
        """GDPR delete: nothing stays."""
        self.free(record)
        self._trash.get(record.kind.name, {}).pop(record.id, None)
        del self.records[record.key]
        self.links.drop(record)
        self.tell(record.kind, "privacyDeletion", record, self.api)
        record.archived = self.clock()
        self.index.note(record, record.archived)

    def merge(self, primary: Record, other: Record, source: Source = PERSON) -> Record:
        """One record of two: the survivor, which may have a new id. A person does so unless `source` says who."""
        return merged(self, primary, other, source)

    # ---- what would be refused

    def would_create(self, kind: ObjectType, given: Mapping[str, Any]) -> None:
        """Raises `Refused` as `create` would, and does nothing."""
        self._must_be_unique(kind, checked(kind, given), None)

    def would_update(self, record: Record, given: Mapping[str, Any]) -> None:
        """Raises `Refused` as `update` would, and does nothing."""
        self._must_be_unique(record.kind, checked(record.kind, given), record)

    def repeats(self, kind: ObjectType, given: Sequence[Mapping[str, Any]]) -> bool:
        """Whether two new records want one unique value."""
        unique = [name for name, known in kind.properties.items() if known.unique]
        held = [(name, _folded(name, str(each[name]))) for each in given for name in unique if each.get(name)]
        return len(held) != len(set(held))

    # ---- by hand

    def enter(self, kind: str, values: Mapping[str, Any]) -> Record:
        """A person enters a record."""
        with self.lock:
            return self.create(self.kind(kind), values, PERSON)

    def edit(self, kind: str, key: str, **values: Any) -> Record:
        """A person changes a record."""
        with self.lock:
            return self.update(self._held(kind, key), values, PERSON)

    def trash(self, kind: str, key: str) -> None:
        """A person deletes a record; it stays in the recycle bin."""
        with self.lock:
            self.archive(self._held(kind, key), PERSON)

    def restore(self, kind: str, key: str) -> Record:
        """A person takes a record out of the recycle bin."""
        with self.lock:
            record = self._held(kind, key, archived=True)
            self._must_be_unique(record.kind, record.values, record)
            record.archived = None
            self._trash[record.kind.name].pop(record.id)
            self.claim(record, record.values)
            self.tell(record.kind, "restore", record, PERSON)
            self.touch(record, self.clock())
            return record

    def define(self, kind: str, prop: Property) -> Property:
        """An administrator defines a property."""
        with self.lock:
            self.kind(kind).properties[prop.name] = prop
            return prop

    def live(self, kind: str) -> list[Record]:
        """What a person sees in the list view."""
        with self.lock:
            return list(self.all(self.kind(kind)))

    # ---- within

    def place(self, record: Record) -> None:
        """The record stands in the account."""
        self.records[record.key] = record
        self._order.setdefault(record.kind.name, []).append(int(record.id))

    def _bin(self, kind: ObjectType, key: str) -> Record:
        return self.records[kind.name, key]

    def _held(self, kind: str, key: str, *, archived: bool = False) -> Record:
        found = self.find(self.kind(kind), key, archived=archived)
        if found is None:
            raise not_found()
        return found

    def put(self, record: Record, kept: Mapping[str, Text], source: Source, now: int) -> None:
        """Set values, with their histories."""
        for name, value in kept.items():
            if record.values.get(name) == value:
                continue
            record.values[name] = value
            record.history.setdefault(name, []).append(Version(now, value, source))
        self.claim(record, kept)

    def claim(self, record: Record, kept: Mapping[str, Text]) -> None:
        """Unique values are held by their record; a value that it gave up is free."""
        kind = record.kind
        for name in kept:
            known = kind.properties.get(name)
            if name == "hs_additional_emails":
                for each in (kept[name] or "").split(";"):
                    if each:
                        self._unique[kind.name, "email", each] = record.id
            if known is None or not known.unique:
                continue
            for old in record.history.get(name, ()):
                if old.value and self._unique.get((kind.name, name, old.value)) == record.id:
                    del self._unique[kind.name, name, old.value]
            value = record.values.get(name)
            if value:
                self._unique[kind.name, name, value] = record.id

    def free(self, record: Record) -> None:
        """The record's unique values may be another's."""
        unique = [name for name, known in record.kind.properties.items() if known.unique]
        held = [(name, record.values.get(name)) for name in unique]
        held += [("email", each) for each in (record.values.get("hs_additional_emails") or "").split(";")]
        for name, value in held:
            if value and self._unique.get((record.kind.name, name, value)) == record.id:
                del self._unique[record.kind.name, name, value]

    def _must_be_unique(self, kind: ObjectType, kept: Mapping[str, Text], record: Record | None) -> None:
        for name, value in kept.items():
            known = kind.properties.get(name)
            if not value or known is None or not known.unique:
                continue
            holder = self._unique.get((kind.name, name, value))
            if holder is None or (record is not None and holder == record.id):
                continue
            if kind.name == "contacts" and name == "email":
                raise already_exists(kind.label, holder)
            raise self._taken(kind, name, value, holder, record)

    def _taken(self, kind: ObjectType, name: str, value: str, holder: str, record: Record | None) -> Refused:
        where = f"portalId={self.portal}, objectTypeId={kind.type_id}, propertyName={name}, value={value}"
        mine = record.id if record else "0"
        words = f"Cannot set PropertyValueCoordinates{{{where}}} on {mine}. {holder} already has that value."
        return refuse(400, words, "VALIDATION_ERROR", context={"propertyName": [name]})

    def _computed(self, record: Record, source: Source) -> dict[str, Text]:
        """What HubSpot adds to a new record by itself, as recorded."""
        values = record.values
        stamp = iso(record.created)
        found: dict[str, Text] = {
            "hs_object_id": record.id,
            "createdate": stamp,
            "hs_createdate": stamp,
            record.kind.modified: stamp,
            "hs_object_source": source.type,
            "hs_object_source_id": source.id,
        }
        if record.kind.name == "contacts":
            found["hs_is_unworked"] = "true"
            if not values.get("lifecyclestage"):
                found["lifecyclestage"] = "lead"
            email = values.get("email")
            if email:
                found["hs_email_domain"] = email.rpartition("@")[2]
        if record.kind.name == "companies" and values.get("domain") and not values.get("website"):
            found["website"] = values["domain"]
        return found

    def tell_link(self, a: Record, b: Record, source: Source, *, removed: bool) -> None:
        """An association came or went: webhooks hear of it from its first end."""
        ends = {"fromObjectId": int(a.id), "toObjectId": int(b.id), "associationRemoved": removed}
        self.tell(a.kind, "associationChange", a, source, **ends)

    def tell(self, kind: ObjectType, what: str, record: Record, source: Source, **more: Any) -> None:
        """Webhooks hear of what happened."""
        event = {
            "portalId": self.portal,
            "appId": self.app,
            "occurredAt": self.clock(),
            "subscriptionType": f"{kind.label.lower().replace(' ', '_')}.{what}",
            "objectId": int(record.id),
            "changeSource": source.type,
            "sourceId": source.id,
            **more,
        }
        for listener in self.listeners:
            listener(event)


def _folded(name: str, value: str) -> str:
    return value.lower() if name == "email" else value
