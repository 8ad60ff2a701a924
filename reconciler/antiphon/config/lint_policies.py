"""Policies that could not do what they say: a counter without receipts, a rung that is never reached, two owners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from antiphon.config.bind import Columns, gives_receipts
from antiphon.config.finding import Finding, error, warning
from antiphon.config.settings import EntityConfig, SyncConfig
from antiphon.equivalence import kind_of
from antiphon.mapping import Counter, Extreme, Field, Kind, Ladder, Owner, word_of
from antiphon.model import Side

_COUNTED = frozenset({Kind.ANY, Kind.NUMBER, Kind.TEXT})
_WITHOUT_ORDER = frozenset({Kind.BOOLEAN, Kind.LIST, Kind.JSON})


def lint_policies(
    config: SyncConfig, entity: EntityConfig, columns: Columns, receipts: Mapping[Side, bool] | None
) -> Iterator[Finding]:
    """The findings on the policies of one entity's fields, references among them."""
    for field in entity.fields.values():
        if field.direction is not None:
            if field.name in entity.own_policy:
                yield from _one_way(entity, field, *field.direction)
            continue
        where = entity.where(field, "policy") if field.name in entity.own_policy else entity.where(field)
        match field.policy:
            case Counter():
                yield from _counter(config, field, where, receipts)
                yield from _kinds(entity, field, columns, where, _COUNTED, "a counter adds up numbers")
            case Extreme():
                rest = frozenset(Kind) - _WITHOUT_ORDER
                yield from _kinds(entity, field, columns, where, rest, f"{word_of(field.policy)} needs an order")
            case Ladder(rungs):
                yield from _ladder(field, rungs, where)
            case _:
                pass


def _one_way(entity: EntityConfig, field: Field, source: Side, receiver: Side) -> Iterator[Finding]:
    where = entity.where(field, "policy")
    if isinstance(field.policy, Owner) and field.policy.side == receiver:
        message = f"{receiver} owns the field, but it flows from {source} only: it has two owners"
        yield error(where, message, f"`direction: {{from: {receiver}, to: {source}}}`, or no policy")
    else:
        message = f"the policy is never asked, since the field flows from {source} only"
        yield error(where, message, "leave out `policy` or `direction`")


def _counter(config: SyncConfig, field: Field, where: str, receipts: Mapping[Side, bool] | None) -> Iterator[Finding]:
    """An error where a target is known to write no receipts, a warning where only the file says nothing of them."""
    for name, side in config.sides.items():
        if side.target is None or gives_receipts(side, receipts):
            continue
        told = warning if receipts is None else error
        yield told(
            where,
            f"{field.name} counts, but the target of {name} writes no receipts: a count could be written over or "
            "written twice, so that what both sides counted would always wait for a person",
            f"a target with receipts, or another policy, such as `{{owner: {config.other(name)}}}`",
        )


def _kinds(
    entity: EntityConfig, field: Field, columns: Columns, where: str, fit: frozenset[Kind], what: str
) -> Iterator[Finding]:
    given = entity.types.get(field.name)
    for side, column in field.columns.items():
        schema = columns.get((side, entity.name), {}).get(column, {})
        kind = given or kind_of([schema])
        if kind not in fit:
            yield error(where, f"{what}, and {side} holds a {kind}", "another policy, or another column")
            return


def _ladder(field: Field, rungs: tuple[str, ...], where: str) -> Iterator[Finding]:
    names = {name for stored in field.picklist.values() for name in stored}
    if not names:
        return
    never = [rung for rung in rungs if rung not in names]
    if never:
        yield error(
            where,
            f"the rung {never[0]!r} is never reached: `values:` does not name it, so that such a value is parked",
            "name every rung in `values:`",
        )
    for name in sorted(names - set(rungs)):
        yield warning(where, f"{name!r} of `values:` is no rung, so that a conflict with it waits for a person")
