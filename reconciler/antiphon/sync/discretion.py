"""What a run may say of a write: the words of a target, without the values of sensitive fields that it quotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from antiphon.equivalence import is_empty
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Op
from antiphon.singer.secrets import Secrets


def discreet(mapping: SyncMapping, ops: Iterable[Op], words: str) -> str:
    """The words without what sensitive fields hold in these operations.

    As with passwords, one of fewer than four letters is left: it would be found inside of ordinary words.
    """
    return Secrets({"secret": [text for op in ops for text in _hidden(mapping, op)]}).hide(words)


def _hidden(mapping: SyncMapping, op: Op) -> Iterator[str]:
    entity = mapping.entities.get(op.entity)
    fields = [field for field in entity.fields.values() if field.sensitive] if entity is not None else []
    for field in fields:
        columns = {field.columns[side] for side in field.columns}
        held = [values[field.name] for values in (op.patch, op.expect, op.losers) if field.name in values]
        for value in (*held, *(value for column, value in op.key.items() if column in columns)):
            if not is_empty(value):
                yield str(value)
