"""What a person can do about a conflict: the answers that make sense, as commands, and what else would settle it.

| conflict                          | answers                                                                  |
|-----------------------------------|--------------------------------------------------------------------------|
| field, join, silent-divergence    | `--take SIDE`; a single field also `--value`                             |
| delete, delete-vs-update          | `--take SIDE`: delete it there too, or create it again                   |
| a remnant of a deleted record     | `--take` the other side: join what is left with the whole record         |
| rejected, not-visible             | `--retry`; or change the record                                          |
| ambiguous, duplicate-of           | make the match values differ, delete or merge one, or link two by hand   |
| merged-duplicate                  | merge or delete the other side's records; an alias may also stay         |
| key, not-allowed, unmapped, rekey | change sync.yml or the record                                            |
| unreadable                        | make the record readable; it goes on by itself                           |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Conflict, ConflictKind, OpKind, Side


@dataclass(frozen=True, slots=True)
class Answer:
    """One way to settle a conflict. `options` complete the command; without them it is done elsewhere."""

    meaning: str
    options: str = ""

    def command(self, cid: str) -> str:
        """The exact command line; empty if there is none."""
        return f"antiphon conflicts resolve {cid} {self.options}" if self.options else ""


def answers(conflict: Conflict, mapping: SyncMapping) -> tuple[Answer, ...]:
    """The answers that make sense, in the order in which they are offered."""
    entity = mapping.entities.get(conflict.entity)
    if entity is None:
        return (Answer(f"sync.yml no longer names {conflict.entity}: name it again, or leave it be"),)
    match conflict.kind:
        case ConflictKind.FIELD | ConflictKind.JOIN | ConflictKind.DIVERGED | ConflictKind.CLOBBERED:
            return tuple(_of_values(conflict, mapping, entity))
        case ConflictKind.PING_PONG:
            return (
                *_of_values(conflict, mapping, entity),
                Answer("or say in sync.yml that the two forms mean the same (`normalize`, `type`, `timezone`)"),
            )
        case ConflictKind.DELETE | ConflictKind.DELETE_UPDATE:
            return tuple(_of_deletion(conflict, mapping, entity))
        case ConflictKind.REJECTED | ConflictKind.NOT_VISIBLE:
            side = conflict.evidence.get("side", "the other side")
            return (
                Answer(f"tries the same write to {side} once more", "--retry"),
                Answer("or change the record on either side: a change is tried by itself"),
            )
        case ConflictKind.AMBIGUOUS | ConflictKind.DUPLICATE:
            rule = conflict.evidence.get("rule", "match values")
            return (
                Answer(f"make their {rule} differ, or merge or delete one of them on its side; it is matched again"),
                Answer("or say which belong together: `antiphon links add`"),
            )
        case ConflictKind.MERGED:
            offers = conflict.evidence.get("offers", ())
            return tuple(Answer(f"{offer} (on the side itself)" if "alias" not in offer else offer) for offer in offers)
        case ConflictKind.KEY | ConflictKind.FORBIDDEN | ConflictKind.UNMAPPED | ConflictKind.REKEY:
            return (_of_configuration(conflict, entity),)
        case ConflictKind.UNREADABLE:
            side = conflict.evidence.get("side", "the side")
            return (Answer(f"make the record readable on {side}; it goes on by itself after the next read"),)
        case _:
            assert_never(conflict.kind)


def _of_values(conflict: Conflict, mapping: SyncMapping, entity: Entity) -> Iterator[Answer]:
    for side in mapping.sides:
        yield Answer(f"writes what {side} holds to {mapping.other(side)}", f"--take {side}")
    field = entity.fields.get(conflict.field or "")
    if field is not None and field.group is None and field.references is None:
        yield Answer("writes another value to both sides", "--value VALUE")


def _of_deletion(conflict: Conflict, mapping: SyncMapping, entity: Entity) -> Iterator[Answer]:
    gone = str(conflict.evidence.get("deleted_on", mapping.sides[0]))
    live = mapping.other(gone)
    if conflict.evidence.get("remnant"):
        yield Answer(
            f"joins what is left of it on {gone} with the record of {live}: empty never beats a value", f"--take {live}"
        )
        yield Answer(f"or delete what is left of it on {gone}: then it is a deletion like any other")
        return
    why_not = undeletable(entity, live)
    if why_not:
        yield Answer(f"deleting it on {live} too is not possible: {why_not}")
    else:
        yield Answer(f"deletes it on {live} too", f"--take {gone}")
    if OpKind.CREATE in entity.sides[gone].allow:
        yield Answer(f"creates it again on {gone}, as {live} holds it", f"--take {live}")
    else:
        yield Answer(f"creating it again on {gone} is not possible: its `allow:` has no create")


def undeletable(entity: Entity, side: Side) -> str:
    """Why no record of the side can be deleted; empty if one can."""
    there = entity.sides[side]
    if OpKind.DELETE not in there.allow:
        return f"the `allow:` of {side} has no delete"
    if not there.receipts and not there.deletes:
        return f"the target of {side} is not declared to honour deletions"
    return ""


def _of_configuration(conflict: Conflict, entity: Entity) -> Answer:
    match conflict.kind:
        case ConflictKind.FORBIDDEN if conflict.field is not None:
            return Answer("allow the write (`allow:` of the side in sync.yml), or put the value back on the other side")
        case ConflictKind.FORBIDDEN:
            return Answer("allow the write (`allow:` of the side in sync.yml)")
        case ConflictKind.UNMAPPED:
            return Answer("name the value in `values:` of the field in sync.yml, or change it on the side")
        case ConflictKind.KEY if conflict.field is None:
            return Answer(f"correct `on_create` or `match` of {entity.name} in sync.yml, or the record on either side")
        case _:
            return Answer("put the key back on the side that changed it, or map another field")
