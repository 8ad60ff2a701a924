"""Values of a row for one model: converted, compared with what is there, and shown as the tap shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tap_tryton.api import Field, Model, NotConvertible, Shown


@dataclass(frozen=True, slots=True)
class Values:
    """The fields of a model, as a target needs them."""

    model: Model

    def checked(self, values: Mapping[str, Any]) -> None:
        """Raise `NotConvertible` for a value that Tryton would not take, naming the field and what is allowed."""
        for name, value in values.items():
            self._writable(name).to_tryton(value)

    def to_create(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What to send for a new record; what is empty is left to Tryton's own default."""
        sent = {name: self._writable(name).to_write(value, None) for name, value in values.items()}
        return {name: value for name, value in sent.items() if value not in (None, [])}

    def changed(self, values: Mapping[str, Any], there: Shown) -> dict[str, Any]:
        """What to send so that the record holds these values: only what differs."""
        sent = {}
        for name, value in values.items():
            field = self._writable(name)
            held = field.from_tryton(there.get(name))
            if not field.same(held, value):
                sent[name] = field.to_write(value, held)
        return sent

    def differs(self, expect: Mapping[str, Any], wanted: Mapping[str, Any], there: Shown) -> bool:
        """Whether something else than expected is there; what is there already as wanted is no surprise."""
        for name, expected in expect.items():
            field = self.model.fields.get(name)
            if field is None:
                continue
            held = field.from_tryton(there.get(name))
            if not field.same(held, expected) and not (name in wanted and field.same(held, wanted[name])):
                return True
        return False

    def shown(self, there: Shown, names: Iterable[str]) -> dict[str, Any]:
        """The values of a record, as the tap shows them."""
        known = self.model.fields
        return {name: known[name].from_tryton(there.get(name)) for name in sorted(set(names)) if name in known}

    def _writable(self, name: str) -> Field:
        field = self.model.fields.get(name)
        if field is None:
            raise NotConvertible(f"{name}: {self.model.name} has no such field; add it, or map another")
        if field.read_only:
            raise NotConvertible(f"{name}: Tryton alone sets this field; map it one way, from Tryton")
        return field
