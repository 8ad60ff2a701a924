"""The streams: one for each object, in full or what changed, with what was deleted or merged.

A read asks `queryAll`, which shows what lies in the recycle bin; a record in it with `MasterRecordId` was merged. What
was purged from the bin too is told by the log of deletions, which goes back fifteen days. Pages are asked for in the
order of time and id, so that a read whose cursor has expired goes on from the last row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from tap_kit import DELETED_AT, ENVELOPE, MOMENT, EnvelopeStream, in_batches
from tap_salesforce.api import DELETED, MASTER, STAMP, ExpiredCursor, Field, JobFailed, Org, Refused, bulk_rows
from tap_salesforce.api.org import Shown, as_literal

if TYPE_CHECKING:
    from tap_salesforce.tap import TapSalesforce

Row = dict[str, Any]
_KEY, _BORN = "Id", "CreatedDate"
_LAG = timedelta(minutes=2)
"""The log of deletions cuts seconds off, and wants a minute at least between its two moments."""

_AT_ONCE = 200
"""Ids in one query, whose text has to fit into an address."""

_LONGEST = 14_000
"""Characters for the columns of a query in an address: Salesforce answers 414 to a line of more than 16,384."""


class ObjectStream(EnvelopeStream):
    """The records of one object."""

    def __init__(self, tap: TapSalesforce, name: str) -> None:
        self._salesforce_tap = tap
        self.object = tap.org.describe(name)
        super().__init__(tap, name=self.object.name)
        self.primary_keys = (_KEY,)
        if STAMP in self.object.fields:
            self.replication_key = STAMP

    @property
    def org(self) -> Org:
        """The org."""
        return self._salesforce_tap.org

    @cached_property
    def _columns(self) -> Mapping[str, Field]:
        return {name: each for name, each in self.object.fields.items() if name != DELETED}

    @property
    def schema(self) -> dict[str, Any]:
        """The columns, from the org's own definitions."""
        if self._schema is None:
            others = {name: each.to_schema() for name, each in sorted(self._columns.items()) if name != _KEY}
            own = {"type": "string", "maxLength": 18, "readOnly": True, "description": "Salesforce's id of the record."}
            gone = {**MOMENT, "description": "When the record was deleted or merged."}
            self._schema = {"type": "object", "properties": {_KEY: own, **others, DELETED_AT: gone}}
        return self._schema

    def account_and_clock(self) -> dict[str, Any]:
        """Which org is read, and what time it is there."""
        return {"account": self.org.account, "clock": self.org.session.clock().isoformat()}

    def get_replication_key_signpost(self, context: Any = None) -> datetime | None:
        """Salesforce's time when the read began: nothing later is taken for read."""
        del context
        if self._signpost is None and self.replication_method == "INCREMENTAL":
            self._signpost = self.now()
        return self._signpost

    _signpost: datetime | None = None

    def _place(self, what: str) -> dict[str, Any]:
        """A part of the STATE of this stream that is not the SDK's."""
        found: dict[str, Any] = self.tap_state.setdefault("bookmarks", {}).setdefault(f"{self.name}:{what}", {})
        return found

    @property
    def log_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The bookmark of its change events, and their place."""
        return self.get_context_state(None), self._place("log")

    # ---- reading

    def get_records(self, context: Any) -> Iterable[Row]:
        """All records, or those that changed since the bookmark; deleted and merged ones as such."""
        self._name_what_is_hidden()
        match self.replication_method:
            case "LOG_BASED":
                yield from self._salesforce_tap.log(self, *self.log_state)
            case "INCREMENTAL":
                yield from self.changed_since(self.get_starting_timestamp(context))
            case _:
                yield from self.changed_since(None)

    def changed_since(self, since: datetime | None) -> Iterator[Row]:
        """All rows, or those that changed since a moment less the overlap."""
        if since is not None:
            since -= timedelta(seconds=self._salesforce_tap.overlap)
        gone: set[str] = set()
        for shown in self._rows(since):
            values = self._values(shown)
            if values.get(DELETED):
                gone.add(values[_KEY])
            yield self._row(values)
        if self.object.logged:
            yield from self._purged(gone)

    def _rows(self, since: datetime | None) -> Iterator[Shown]:
        """By pages of REST, or by a job of the Bulk API where there are many."""
        api, most = self._salesforce_tap.api, self._salesforce_tap.bulk_from
        first = None
        if api == "rest" or (api == "auto" and not self._long):
            first = self.org.found(self._query(since, None), self._what)
        if api == "bulk" or (api == "auto" and (first is None or first[0] >= most)):
            try:
                rows = bulk_rows(self.org.session, self._query(since, None, by="bulk"), self._what)
            except (Refused, JobFailed) as error:
                if api == "bulk":
                    raise
                self.logger.warning("%s; it is read by REST", error.message)
            else:
                yield from rows
                return
        yield from self._by_pages(since, first)

    def _by_pages(self, since: datetime | None, first: tuple[int, Iterator[Sequence[Shown]]] | None) -> Iterator[Shown]:
        last: Shown | None = None
        while True:
            try:
                _, pages = first or self.org.found(self._query(since, last), self._what)
                first = None
                for page in pages:
                    for each in self._widened(page) if self._long else page:
                        last = each
                        yield each
            except ExpiredCursor:
                self.logger.info("%s: the cursor has expired; the read goes on from its last row", self.name)
            else:
                return

    def _widened(self, page: Sequence[Shown]) -> Iterator[Shown]:
        """The rows of a page with the columns that had no place in the query."""
        others = [name for name in self._asked if name not in self._needed]
        whole = self.org.read(self.object.name, [each[_KEY] for each in page], others, self._what)
        for narrow, more in zip(page, whole, strict=True):
            yield {**narrow, **(more or {})}

    @property
    def _what(self) -> str:
        return f"the records of {self.name}"

    @cached_property
    def _long(self) -> bool:
        """Whether the query with all its columns has no place in an address."""
        return len(quote(", ".join(self._asked))) > _LONGEST

    def _query(self, since: datetime | None, last: Shown | None, by: Literal["rest", "bulk"] = "rest") -> str:
        """The query of one API: pages are in order; a job has no order, which would slow it, and its text no limit."""
        by_time = STAMP in self.object.fields
        clauses = [f"{STAMP} >= {as_literal(since)}"] if since is not None else []
        if last is not None:
            after = f"{_KEY} > '{last[_KEY]}'"
            at = as_literal(datetime.fromisoformat(last[STAMP])) if by_time else ""
            clauses.append(f"({STAMP} > {at} OR ({STAMP} = {at} AND {after}))" if by_time else after)
        where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        order = "" if by == "bulk" else f" ORDER BY {STAMP}, {_KEY}" if by_time else f" ORDER BY {_KEY}"
        columns = sorted(self._needed) if self._long and by == "rest" else self._asked
        return f"SELECT {', '.join(columns)} FROM {self.object.name}{where}{order}"  # noqa: S608 - SOQL

    @cached_property
    def _needed(self) -> set[str]:
        return {_KEY, *({STAMP, DELETED, MASTER, _BORN} & set(self.object.fields))}

    @cached_property
    def _asked(self) -> list[str]:
        return sorted(self._needed | {name for name in self.chosen if name in self._columns})

    def _name_what_is_hidden(self) -> None:
        """Say which columns the catalog asks for that the user may not see: Salesforce does not tell them apart."""
        catalog = self._salesforce_tap.input_catalog
        entry = catalog.get_stream(self.name) if catalog else None
        if entry is None:
            return
        known = self.schema["properties"]
        wanted = {crumb[1] for crumb, chosen in entry.metadata.resolve_selection().items() if len(crumb) > 1 and chosen}
        if hidden := sorted(wanted - known.keys()):
            self.logger.warning(
                "%s: the catalog asks for %s, which is not there, or hidden from the user by field-level security: it "
                "is not read. Give the user the right to see it, in a permission set, or leave it out of the catalog",
                self.name,
                ", ".join(hidden),
            )

    # ---- deletions

    def _purged(self, gone: set[str]) -> Iterator[Row]:
        """What was deleted since the last read and is not in the recycle bin any more."""
        place, now = self._place("deleted"), self.org.session.clock()
        covered = place.get("covered")
        start = datetime.fromisoformat(covered) if covered else now
        told = self.org.deleted(self.name, start - _LAG, now)
        earliest = datetime.fromisoformat(told["earliestDateAvailable"]) if told.get("earliestDateAvailable") else start
        if covered and earliest > start:
            self.logger.warning(
                "%s: Salesforce's log of deletions begins at %s, and the last read was at %s: what was deleted in "
                "between and purged is not told; read the stream in full",
                self.name,
                earliest.isoformat(),
                covered,
            )
        listed = {str(each["id"]): str(each["deletedDate"]) for each in told["deletedRecords"]} if covered else {}
        for some in in_batches(sorted(listed.keys() - gone), _AT_ONCE):
            there = self._there(some)
            yield from (self._gone(key, datetime.fromisoformat(listed[key])) for key in some if key not in there)
        place["covered"] = datetime.fromisoformat(str(told["latestDateCovered"])).isoformat()

    def _there(self, ids: Sequence[str]) -> dict[str, Shown]:
        """Those of the ids that are there: a record may have been restored, or lie in the bin."""
        listed, columns = ", ".join(f"'{each}'" for each in ids), ", ".join(sorted(self._needed))
        query = f"SELECT {columns} FROM {self.object.name} WHERE Id IN ({listed})"  # noqa: S608 - SOQL
        pages = self.org.pages(query, f"what was deleted of {self.name}")
        return {str(each[_KEY]): each for page in pages for each in page}

    def _gone(self, key: str, at: datetime) -> Row:
        row: Row = {_KEY: key, DELETED_AT: at.isoformat(), ENVELOPE: {"state": "gone"}}
        return {**row, STAMP: at.isoformat()} if STAMP in self._columns else row

    # ---- records that change events name

    def now(self) -> datetime:
        """Salesforce's time."""
        self.org.account  # noqa: B018 - its answer tells the time there
        return self.org.session.clock()

    def rows_of(self, ids: Sequence[str], at: datetime) -> Iterator[Row]:
        """Records as they are now; those that are not there any more as gone at that moment."""
        live = self.org.read(self.object.name, ids, self._asked, self._what)
        yield from (self._row(self._values(each)) for each in live if each is not None)
        for some in in_batches([key for key, each in zip(ids, live, strict=True) if each is None], _AT_ONCE):
            there = self._there(some)
            for key in some:
                yield self._row(self._values(there[key])) if key in there else self._gone(key, at)

    # ---- rows

    def _values(self, shown: Shown) -> Row:
        known = self.object.fields
        return {name: known[name].from_salesforce(value) for name, value in shown.items() if name in known}

    def _row(self, values: Row) -> Row:
        row: Row = {name: value for name, value in values.items() if name in self._columns}
        sync: dict[str, Any] = {"state": "live", "version": row.get(STAMP), "birth": row.get(_BORN)}
        if values.get(DELETED):
            into = values.get(MASTER)
            sync |= {"state": "merged", "merged_into": into} if into else {"state": "gone"}
        row[DELETED_AT] = row.get(STAMP) if values.get(DELETED) else None
        told = {name: value for name, value in sync.items() if value is not None}
        return {**row, ENVELOPE: told}
