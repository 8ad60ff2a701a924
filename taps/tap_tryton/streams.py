"""The streams: one for each model, in full or what changed, with what was archived, merged or deleted.

What an incremental read looks for, beside the records that were modified since the bookmark less the overlap:

| what changed                                   | moves the record's own time | so the read also takes            |
|------------------------------------------------|-----------------------------|-----------------------------------|
| a child whose values show in the parent        | no                          | parents of children modified since |
| a reference to a record that was merged away   | no                          | what refers to survivors since     |
| the record was deleted for good                | it has none any more        | the ids that are no longer there   |
| a transaction that was open during the read    | yes, to when it began       | the overlap                        |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_kit import DELETED_AT, ENVELOPE, MOMENT, EnvelopeStream
from tap_tryton.api import (
    CORE,
    PAGE,
    REPLACED,
    SHOWN_CHILDREN,
    STAMP,
    Field,
    Model,
    Shown,
    Tryton,
    as_datetime,
    stream_of,
)
from tap_tryton.keys import from_ranges, to_ranges

if TYPE_CHECKING:
    from tap_tryton.tap import TapTryton

Row = dict[str, Any]
MERGING = frozenset({"party.party"})
"""Models whose records can be merged."""


class ModelStream(EnvelopeStream):
    """The records of one model."""

    def __init__(self, tap: TapTryton, model: str) -> None:
        super().__init__(tap, name=stream_of(model))
        self._seen: set[int] = set()  # since deletions were looked for last
        self._tryton_tap = tap
        self.primary_keys = ("id",)
        self.replication_key = tap.tryton.model(model).modified
        self.model = tap.tryton.model(model)

    @property
    def tryton(self) -> Tryton:
        """The database."""
        return self._tryton_tap.tryton

    @cached_property
    def _columns(self) -> Mapping[str, Field]:
        return {name: each for name, each in self.model.fields.items() if name != "xml_id"}

    @cached_property
    def _computed(self) -> frozenset[str]:
        """Columns that the server computes for each record it shows, often from other records.

        It does not say which these are: they are not loaded at once, and cannot be searched for or not be changed.
        """
        usual = {*CORE, self.model.modified}
        lazy = {name: each for name, each in self._columns.items() if not each.eager and name not in usual}
        return frozenset(name for name, each in lazy.items() if each.read_only or not each.searchable)

    @property
    def schema(self) -> dict[str, Any]:
        """The columns, from the server's own definitions."""
        if self._schema is None:
            own = {"id": {"type": "integer", "readOnly": True, "description": "Tryton's id of the record."}}
            shown = {name: each.to_schema() for name, each in sorted(self._columns.items()) if name != "id"}
            gone = {
                DELETED_AT: {**MOMENT, "description": "When the record was seen to be archived, merged or deleted."}
            }
            self._schema = {"type": "object", "properties": {**own, **shown, **gone}}
        return self._schema

    @property
    def metadata(self) -> Any:
        """What is selected; what the server has to compute for each record is left out unless it is asked for."""
        found = super().metadata
        for name in self._computed:
            found[("properties", name)].selected_by_default = False
        return found

    def account_and_clock(self) -> dict[str, Any]:
        """Which database is read, and what time it is there."""
        return {"account": self.tryton.account(), "clock": self.tryton.session.clock().isoformat()}

    def get_replication_key_signpost(self, context: Any = None) -> datetime | None:
        """The server's time when the read began: nothing later is taken for read."""
        del context
        if self._signpost is None and self.replication_method == "INCREMENTAL":
            self.tryton.account()
            self._signpost = self.tryton.session.clock()
        return self._signpost

    _signpost: datetime | None = None

    # ---- reading

    def get_records(self, context: Any) -> Iterable[Row]:
        """All records, or those that changed since the bookmark; archived, merged and deleted ones as deletions."""
        incremental = self.replication_method == "INCREMENTAL"
        since = self.get_starting_timestamp(context) if incremental else None
        at = self.tryton.session.clock()
        seen: set[int] = set()
        domain = [] if since is None else self._changed(since - timedelta(seconds=self._tryton_tap.overlap))
        for page in self.tryton.pages(self.model.name, domain, self._asked, PAGE):
            for each in page:
                seen.add(int(each["id"]))
                yield self._row(each, at)
        self._seen |= seen
        if self.thorough:
            yield from self._deleted(self._seen, at)
            self._seen = set()

    @property
    def _asked(self) -> list[str]:
        needed = {"id", STAMP, "create_date", self.model.modified, *({"active", REPLACED} & set(self.model.fields))}
        return sorted(needed | {name for name in self.chosen if name in self._columns})

    def _changed(self, since: datetime) -> list[Any]:
        """The condition of an incremental read.

        Tryton adds "active records only" to each list of clauses in which `active` does not stand itself, and so to the
        list of an OR too: one of its branches speaks of `active`, and is never true.
        """
        branches: list[list[Any]] = [[self.model.modified, ">=", as_datetime(since)]]
        for name in SHOWN_CHILDREN.get(self.model.name, ()):
            if name in self.model.children and self._shows_children:
                child = self.tryton.model(self.model.children[name])
                branches.append([name, "where", [[child.modified, ">=", as_datetime(since)], *child.any_state]])
        for name, each in self._columns.items():
            if each.type == "many2one" and each.searchable and name in self.chosen and each.relation in MERGING:
                survivors = self._survivors(self.tryton.model(each.relation), since)
                branches += [[name, "in", survivors]] if survivors else []
        if not self.model.any_state:
            return ["OR", *branches]
        return ["OR", *([branch, *self.model.any_state] for branch in branches), ["active", "in", []]]

    @property
    def _shows_children(self) -> bool:
        """Whether a column that the server computes is selected."""
        return not self._computed.isdisjoint(self.chosen)

    def _survivors(self, model: Model, since: datetime) -> list[int]:
        """The records that others were merged into since."""
        if REPLACED not in model.fields:
            return []
        domain = [[REPLACED, "!=", None], [model.modified, ">=", as_datetime(since)]]
        return sorted(
            {int(each[REPLACED]) for page in self.tryton.pages(model.name, domain, [REPLACED]) for each in page}
        )

    # ---- deletions

    def _deleted(self, seen: set[int], at: datetime) -> Iterator[Row]:
        """What was there at the last read, or in this one, and is no longer."""
        place = self.tap_state.setdefault("bookmarks", {}).setdefault(f"{self.name}:ids", {})
        known = from_ranges(str(place.get("ids", "")))
        there = set(self.tryton.ids(self.model.name))
        moment = _iso(at)
        for key in sorted((known | seen) - there):
            row: Row = {"id": key, DELETED_AT: moment, ENVELOPE: {"state": "gone"}}
            yield {**row, self.model.modified: moment}
        place["ids"] = to_ranges(there)

    # ---- rows

    def _row(self, shown: Shown, at: datetime) -> Row:
        known = self._columns
        row: Row = {name: known[name].from_tryton(value) for name, value in shown.items() if name in known}
        row["id"] = int(shown["id"])
        modified = row[self.model.modified] or known["create_date"].from_tryton(shown["create_date"])
        row[self.model.modified] = modified
        sync: dict[str, Any] = {
            "state": "live",
            "version": shown[STAMP],
            "birth": known["create_date"].from_tryton(shown["create_date"]),
        }
        if "active" in shown and not shown["active"]:
            if shown.get(REPLACED):
                sync |= {"state": "merged", "merged_into": int(shown[REPLACED])}
            elif self._tryton_tap.archived_is_deleted:
                sync["state"] = "gone"
        row[DELETED_AT] = None if sync["state"] == "live" else modified or _iso(at)
        return {**row, ENVELOPE: sync}


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
