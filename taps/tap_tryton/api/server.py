"""Calls to one database of a Tryton server: its models and their fields, and reading, making and changing records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tap_tryton.api.errors import Refused, ServerFault, TrytonError
from tap_tryton.api.fields import Field
from tap_tryton.api.session import Session

Shown: TypeAlias = Mapping[str, Any]
"""A record as the server shows it, by field."""

Domain: TypeAlias = Sequence[Any]
"""A condition in Tryton's own form: clauses `[field, operator, value]`, joined by AND or by a leading "OR"."""

PAGE = 1000
"""Records of one answer; a server refuses more than `records_limit` of its section `request` (10,000 by default)."""

STAMP = "_timestamp"
"""What a write is compared with: the moment of the last change, as the server writes it."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a model is made of.

    `children`: its lists of children, and the models of these; `parents`: the field of the child that points back.
    """

    name: str
    fields: Mapping[str, Field]
    children: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)

    @property
    def any_state(self) -> list[Any]:
        """The clause that takes inactive records too; by the context, computed values would count inactive children."""
        return [["active", "in", [True, False]]] if "active" in self.fields else []

    @property
    def modified(self) -> str:
        """The field that moves with every change: `last_modified_at`, or `write_date` before Tryton had it."""
        return "last_modified_at" if "last_modified_at" in self.fields else "write_date"


class Tryton:
    """One database."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._models: dict[str, Model] = {}
        self._account = ""

    def account(self) -> str:
        """The fingerprint of the database: its name, and when it was made (that of its first language)."""
        if not self._account:
            (first,) = self._search_read(
                "ir.lang", [["id", "=", 1], ["active", "in", [True, False]]], ["create_date"], 1
            )
            born = Field("create_date", "timestamp").from_tryton(first["create_date"])
            self._account = f"tryton:{self.session.database}:{born}"
        return self._account

    def model(self, name: str) -> Model:
        """A model. Raises `Refused` if the server has none of this name."""
        if name not in self._models:
            try:
                shown = self.session.call(name, "fields_get", {"fields_names": None})
            except ServerFault as error:
                raise Refused(
                    f"this Tryton has no model {name!r}, or none that can be read",
                    hint="activate the module that brings it, or correct the name",
                    status=error.status,
                ) from error
            found = {key: one for key, each in shown.items() if (one := Field.of(key, each)) is not None}
            lists = {key: each for key, each in shown.items() if each["type"] == "one2many" and each.get("relation")}
            self._models[name] = Model(
                name,
                found,
                {key: str(each["relation"]) for key, each in lists.items()},
                {key: str(each["relation_field"]) for key, each in lists.items() if each.get("relation_field")},
            )
        return self._models[name]

    # ---- reading

    def pages(self, model: str, domain: Domain, names: Sequence[str], size: int = PAGE) -> Iterator[list[Shown]]:
        """All records that meet the condition, inactive ones too, in the order of their ids."""
        last, all_of = 0, [*_joined(domain), *self.model(model).any_state]
        while True:
            found = self._search_read(model, [*all_of, ["id", ">", last]], names, size)
            if found:
                yield found
            if len(found) < size:
                return
            last = int(found[-1]["id"])

    def ids(self, model: str, domain: Domain = (), size: int = 10 * PAGE) -> Iterator[int]:
        """The ids of all records that meet the condition, inactive ones too, in their order."""
        last, all_of = 0, [*_joined(domain), *self.model(model).any_state]
        while True:
            asked = {"domain": [*all_of, ["id", ">", last]], "offset": 0, "limit": size, "order": _BY_ID}
            found = self.session.call(model, "search", asked)
            yield from (int(each) for each in found)
            if len(found) < size:
                return
            last = int(found[-1])

    def read(self, model: str, ids: Sequence[int], names: Sequence[str]) -> dict[int, Shown]:
        """The records that are there, by id."""
        found: dict[int, Shown] = {}
        for start in range(0, len(ids), PAGE):
            domain = [["id", "in", list(ids[start : start + PAGE])], *self.model(model).any_state]
            found |= {int(each["id"]): each for each in self._search_read(model, domain, names, PAGE)}
        return found

    def _search_read(self, model: str, domain: Domain, names: Sequence[str], limit: int) -> list[Shown]:
        asked = {"domain": domain, "offset": 0, "limit": limit, "order": _BY_ID, "fields_names": list(names)}
        found: list[Shown] = self.session.call(model, "search_read", asked)
        return found

    # ---- writing

    def create(self, model: str, records: Sequence[Mapping[str, Any]]) -> list[int]:
        """Make records, all or none of them; their ids. Raises the errors of `tap_tryton.api.errors`."""
        made = self.session.call(model, "create", {"vlist": list(records)}, repeatable=False)
        return [int(each) for each in made]


_BY_ID = [["id", "ASC"]]


def _joined(domain: Domain) -> list[Any]:
    """The condition as one clause among others."""
    return [list(domain)] if domain else []


__all__ = ["PAGE", "STAMP", "Domain", "Model", "Shown", "Tryton", "TrytonError"]
