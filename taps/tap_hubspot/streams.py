"""The streams: records of the CRM, and the associations between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_hubspot.api import BATCH, ObjectType, Property
from tap_hubspot.api.paging import Page, pages
from tap_hubspot.api.properties import canonical_moment, milliseconds
from tap_hubspot.api.types import ASSOCIATION_READ, BATCH_WITH_HISTORY, association_stream
from tap_hubspot.changes import changed_ids
from tap_hubspot.client import HubSpotStream
from tap_kit import DELETED_AT, ENVELOPE, MOMENT, ahead, early, in_batches

if TYPE_CHECKING:
    from tap_hubspot.tap import TapHubSpot

MERGED = "hs_merged_object_ids"
UPDATED = "updatedAt"
_LONGEST_URL = 6000
"""Characters of property names in one URL; with more, ids are listed and the records read in batches."""

_WAITING = 20
"""Batches of ids that are found before the records are read: a few searches, which have limits of their own."""

Row = dict[str, Any]


class CrmStream(HubSpotStream):
    """The records of one object type: their properties as columns, beside `id`, `createdAt` and `updatedAt`."""

    def __init__(self, tap: TapHubSpot, kind: ObjectType) -> None:
        super().__init__(tap, kind.name)
        self.kind = kind
        self.primary_keys = ("id",)
        self.replication_key = UPDATED
        self._with_history = False

    @property
    def properties(self) -> Mapping[str, Property]:
        """The properties that the account knows."""
        return self.hubspot.properties(self.kind.name)

    @property
    def schema(self) -> dict[str, Any]:
        """The columns, from the account's own definitions."""
        if self._schema is None:
            own = {
                "id": {"type": "string", "readOnly": True, "description": "HubSpot's id of the record."},
                "createdAt": MOMENT,
                UPDATED: MOMENT,
                DELETED_AT: {**MOMENT, "description": "When the record was archived or merged into another."},
            }
            shown = {name: each.to_schema() for name, each in self.properties.items() if name not in own}
            self._schema = {"type": "object", "properties": {**own, **shown}}
        return self._schema

    # ---- reading

    def get_records(self, context: Any) -> Iterable[Row]:
        """All records, or those that changed since the bookmark; archived and merged ones as deletions."""
        incremental = self.replication_method == "INCREMENTAL"
        since = self.get_starting_timestamp(context) if incremental else None
        self._with_history = self._hubspot_tap.history(incremental=since is not None)
        with ThreadPoolExecutor(self._hubspot_tap.workers) as workers:
            if since is None:
                yield from self._everything(workers)
            else:
                yield from self._changed(workers, since - timedelta(seconds=self._hubspot_tap.overlap))

    def rows_of(self, ids: Mapping[str, bool]) -> Iterator[Row]:
        """Records as they are now, archived and merged ones as deletions.

        `ids` tells of each whether it is said to be deleted. One that is, and of which HubSpot knows nothing any more,
        is gone; one that is not is passed over.
        """
        self._with_history = self._hubspot_tap.history(incremental=True)
        rest = dict(ids)
        with ThreadPoolExecutor(self._hubspot_tap.workers) as workers:
            for row in self._read(workers, ids):
                rest.pop(row["id"], None)
                yield row
        for some in in_batches(rest, BATCH):
            for each in self.hubspot.read(self.kind.name, some, [], archived=True):
                rest.pop(str(each["id"]), None)
                yield self._gone(each)
        now = self.hubspot.session.clock().isoformat()
        for key in (key for key, deleted in rest.items() if deleted):
            yield {"id": key, UPDATED: now, DELETED_AT: now, ENVELOPE: {"state": "gone"}}

    @property
    def asked(self) -> list[str]:
        """The properties to ask for: those selected, and the one that tells of merges."""
        chosen = [name for name in self.chosen if name in self.properties]
        return [*dict.fromkeys([*chosen, *({MERGED} & set(self.properties))])]

    @property
    def _history(self) -> list[str]:
        return [name for name in self.asked if name != MERGED] if self._with_history else []

    @property
    def _batch(self) -> int:
        return BATCH_WITH_HISTORY if self._with_history else BATCH

    def _everything(self, workers: ThreadPoolExecutor) -> Iterator[Row]:
        asked, history = self.asked, self._history
        if len(",".join([*asked, *history])) <= _LONGEST_URL:
            for page in self._pages(workers, asked, history, archived=False):
                yield from self._rows(page)
        else:
            ids = (str(each["id"]) for page in self._pages(workers, [], [], archived=False) for each in page)
            yield from self._read(workers, ids)
        yield from self._archived(workers, None)

    def changed(self, since: datetime) -> dict[str, str]:
        """The ids of records that search shows changed since, each with when it was edited last, in ISO 8601."""
        name, until = self.kind.name, self.hubspot.session.clock() + timedelta(seconds=1)
        edited: dict[str, str] = {}

        def search(body: Mapping[str, Any]) -> Page:
            page = self.hubspot.search(name, body)
            edited.update((str(each["id"]), str(each["updatedAt"])) for each in page[0])
            return page

        return {key: edited[key] for key in changed_ids(search, self.kind.modified, since, until)}

    def archived(self, since: datetime) -> Iterator[str]:
        """The ids of records that were archived since."""
        with ThreadPoolExecutor(1) as workers:
            yield from (row["id"] for row in self._archived(workers, since))

    def _changed(self, workers: ThreadPoolExecutor, since: datetime) -> Iterator[Row]:
        name, until = self.kind.name, self.hubspot.session.clock() + timedelta(seconds=1)
        ids = changed_ids(lambda body: self.hubspot.search(name, body), self.kind.modified, since, until)
        yield from self._read(workers, _unique(ids))
        yield from self._archived(workers, since)

    def _read(self, workers: ThreadPoolExecutor, ids: Iterable[str]) -> Iterator[Row]:
        asked, history, name = self.asked, self._history, self.kind.name

        def read(batch: Sequence[str]) -> Sequence[Mapping[str, Any]]:
            return self.hubspot.read(name, batch, asked, history=history)

        with closing(early(in_batches(ids, self._batch), _WAITING)) as batches:
            for found in ahead(workers, self._hubspot_tap.workers, read, batches):
                yield from self._rows(found)

    def _archived(self, workers: ThreadPoolExecutor, since: datetime | None) -> Iterator[Row]:
        """What lies in the recycle bin; it has no search, so all of it is listed."""
        if not self._hubspot_tap.archived:
            return
        for page in self._pages(workers, self.asked if since is None else [], [], archived=True):
            for each in page:
                row = self._gone(each)
                if since is None or milliseconds(row[DELETED_AT]) >= milliseconds(since.isoformat()):
                    yield row

    def _pages(
        self, workers: ThreadPoolExecutor, asked: Sequence[str], history: Sequence[str], *, archived: bool
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """The pages of the list, each asked for while the one before is still being written out."""

        def page(after: str | None) -> Page:
            return self.hubspot.page(
                self.kind.name, asked, after, limit=self._batch, archived=archived, history=history
            )

        return pages(self.name, page, workers)

    # ---- rows

    def _rows(self, found: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
        """Each record, and the ids that merges took away in its favour."""
        for each in found:
            row = self._row(each)
            merged = each["properties"].get(MERGED)
            yield row
            for gone in str(merged or "").split(";"):
                if gone and gone != row["id"]:
                    yield {
                        "id": gone,
                        UPDATED: row[UPDATED],
                        DELETED_AT: row[UPDATED],
                        ENVELOPE: {"state": "merged", "merged_into": row["id"]},
                    }

    def _row(self, shown: Mapping[str, Any]) -> Row:
        known = self.properties
        sync: dict[str, Any] = {"state": "live", "version": shown["updatedAt"], "birth": shown["createdAt"]}
        if shown.get("propertiesWithHistory"):
            sync |= self._told_by(shown["propertiesWithHistory"])
        return {
            "id": str(shown["id"]),
            "createdAt": shown["createdAt"],
            UPDATED: shown["updatedAt"],
            DELETED_AT: None,
            **{name: known[name].from_hubspot(value) for name, value in shown["properties"].items() if name in known},
            ENVELOPE: sync,
        }

    def _gone(self, shown: Mapping[str, Any]) -> Row:
        """A record that lies in the recycle bin."""
        at = str(shown.get("archivedAt") or shown["updatedAt"])
        return {**self._row(shown), UPDATED: at, DELETED_AT: at, ENVELOPE: {"state": "gone"}}

    def _told_by(self, history: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
        """When each value was set (ISO 8601) and by whom, and whether the last of all was set by this app."""
        newest = {name: versions[0] for name, versions in history.items() if versions}
        times = {name: canonical_moment(str(each["timestamp"])) for name, each in newest.items()}
        sources = {
            name: {"type": str(each.get("sourceType") or ""), "id": str(each.get("sourceId") or "")}
            for name, each in newest.items()
        }
        told: dict[str, Any] = {"field_times": times, "field_sources": sources}
        app = self.hubspot.account().app
        if newest and app is not None:
            last = max(newest, key=lambda name: times[name])
            told["origin"] = "sync" if str(newest[last].get("sourceId")) == app else "foreign"
        return told


class AssociationStream(HubSpotStream):
    """Which records of one type belong to which of another, and as what: one row per pair and kind."""

    def __init__(self, tap: TapHubSpot, from_type: str, to_type: str) -> None:
        text = {"type": "string"}
        columns = {
            "from_id": {**text, "description": f"Id of the record of {from_type}."},
            "to_id": {**text, "description": f"Id of the record of {to_type}."},
            "category": {**text, "description": "HUBSPOT_DEFINED, USER_DEFINED or INTEGRATOR_DEFINED."},
            "type_id": {"type": "integer", "description": "HubSpot's number of the kind of association."},
            "label": {"type": ["string", "null"], "description": "The name of the kind; the plain one has none."},
        }
        super().__init__(tap, association_stream(from_type, to_type), {"type": "object", "properties": columns})
        self.primary_keys = ("from_id", "to_id", "type_id")
        self.from_type, self.to_type = from_type, to_type

    def get_records(self, context: Any) -> Iterable[Row]:
        """All associations of the pair of types."""
        del context
        hubspot, (a, b) = self.hubspot, (self.from_type, self.to_type)

        def read(ids: Sequence[str]) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
            return list(hubspot.associations(a, b, ids))

        with (
            ThreadPoolExecutor(self._hubspot_tap.workers) as workers,
            closing(early(in_batches(self._starts(workers), ASSOCIATION_READ), _WAITING)) as batches,
        ):
            for found in ahead(workers, self._hubspot_tap.workers, read, batches):
                for start, ends in found:
                    yield from _ends(start, ends)

    def _starts(self, workers: ThreadPoolExecutor) -> Iterator[str]:
        def page(after: str | None) -> Page:
            return self.hubspot.page(self.from_type, ["hs_object_id"], after, limit=BATCH)

        for found in pages(self.name, page, workers):
            yield from (str(each["id"]) for each in found)


def _ends(start: str, ends: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for end in ends:
        for kind in end["associationTypes"]:
            yield {
                "from_id": start,
                "to_id": str(end["toObjectId"]),
                "category": kind["category"],
                "type_id": int(kind["typeId"]),
                "label": kind.get("label"),
            }


def _unique(ids: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for each in ids:
        if each not in seen:
            seen.add(each)
            yield each
