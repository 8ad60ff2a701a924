"""L5: the proof of the proof. One mechanism after the other is taken out, and schedules must go wrong.

`python -m tests.simulation.ablations` says how many do. What stays unnoticed here would stay unnoticed in a change.
The schedules are bent to what each mechanism is for; `--as-drawn` tells how often any schedule notices.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import partial
from typing import Any
from unittest.mock import patch

from antiphon import receipts
from antiphon.facts import Workspace
from antiphon.ledger import Ledger
from antiphon.mapping import Counter as Counting
from antiphon.mapping import Field, SetUnion
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import MISSING, Audit, Base, BaseStatus, LinkState, Op, OpState, Row, Side, replace
from antiphon.protocol import ReceiptLine
from antiphon.settle import Moment
from antiphon.sync import confirm, deliver, outbound
from tests.simulation import engine, schedule, taps
from tests.simulation.invariants import WHOLE
from tests.simulation.schedule import Schedule, draw, run
from tests.simulation.shape import SIDES
from tests.simulation.world import ARCHIVE, COMPARE_AND_SET, HISTORY, PREFLIGHT, SYNC_KEY, System, World


@dataclass(frozen=True)
class Focus:
    """Schedules in which a mechanism matters: what users do, and what goes wrong, are bent to it."""

    profile: str | None = None
    verbs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    incremental: bool = False

    def draw(self, seed: int) -> Schedule:
        """The schedule of a seed, with all its acts and faults of these kinds."""
        drawn = draw(seed, self.profile)
        verbs, kinds = self.verbs, self.faults
        acts = tuple(changed(a, verb=verbs[a.number % len(verbs)]) if verbs else a for a in drawn.acts)
        faults = tuple(changed(f, kind=kinds[f.number % len(kinds)]) if kinds else f for f in drawn.faults)
        shape = drawn.shape
        if self.incremental and "membership" not in shape.mapping.entities:
            shape = changed(shape, incremental=dict.fromkeys(SIDES, True))
        return changed(drawn, shape=shape, acts=acts, faults=faults)


@dataclass(frozen=True)
class Ablation:
    """One mechanism taken out. Of `budget` schedules in focus at least one must go wrong."""

    name: str
    what: str
    without: Callable[[], AbstractContextManager[object]]
    focus: Focus
    budget: int = 300


def _world_without(ability: str) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.object(System, "knows", System.knows - {ability})


@contextmanager
def _lazy_intent() -> Iterator[None]:
    intend, transaction = deliver.intend, Ledger.transaction

    def without(*args: Any, **options: Any) -> list[Op]:
        with patch.object(Ledger, "transaction", lambda ledger: transaction(ledger, durable=False)):
            return intend(*args, **options)

    with patch.object(outbound, "intend", without):
        yield


@contextmanager
def _no_intent() -> Iterator[None]:
    """That a write is under way is noted when its target has ended, not before."""
    intend, withheld = deliver.intend, dict[Side, list[Op]]()

    def silently(ledger: Ledger, mapping: SyncMapping, side: Side, *args: Any, **options: Any) -> list[Op]:
        withheld[side] = intend(ledger, mapping, side, *args, **options)
        with ledger.transaction():
            ledger.put(replace(op, state=OpState.PLANNED, sent_at=None) for op in withheld[side])
        return withheld[side]

    def afterwards(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(ledger: Ledger, mapping: SyncMapping, *arguments: Any, **options: Any) -> Any:
            for side in list(withheld):
                if side in arguments:
                    with ledger.transaction():
                        ledger.put(withheld.pop(side))
            return call(ledger, mapping, *arguments, **options)

        return noted

    with ExitStack() as stack:
        stack.enter_context(patch.object(outbound, "intend", silently))
        for name in ("read_receipts", "acknowledge"):
            stack.enter_context(patch.object(outbound, name, afterwards(getattr(outbound, name))))
        yield


@contextmanager
def _no_overlap() -> Iterator[None]:
    """Incremental reads begin where the last one began."""
    with patch.object(taps, "OVERLAP", 0), patch.object(engine, "OVERLAP", 0):
        yield


def _shared_base() -> AbstractContextManager[object]:
    """One base per field: what one side holds is taken for what the other holds."""
    put_base = Workspace.put_base

    def put_both(ws: Workspace, lid: str, side: Side, name: str, base: Base) -> None:
        for each in [*ws.bases(lid).get(name, {}), side]:
            put_base(ws, lid, each, name, base)

    return patch.object(Workspace, "put_base", put_both)


@contextmanager
def _base_from_current_value() -> Iterator[None]:
    """What the source holds when the receipt is read becomes its base, not what the write was made from."""
    begin, worlds, receipt = schedule.start, list[World](), receipts.receipt

    def begun(drawn: Schedule) -> tuple[World, engine.Engine]:
        world, made = begin(drawn)
        worlds[:] = [world]
        return world, made

    def settled(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
        source = mapping.other(op.side)
        rid = ws.members(op.lid).get(source)
        row = worlds[0].systems[source].find(op.entity, rid) if rid is not None else None
        if row is not None:
            fields = mapping.entities[op.entity].fields
            now = {n: row.values[fields[n].columns[source]] for n in op.source if not fields[n].references}
            op = replace(op, source={**op.source, **now})
        receipt(ws, mapping, op, line, at)

    with patch.object(schedule, "start", begun), patch.object(confirm, "receipt", settled):
        yield


def _parked_as_unlinked() -> AbstractContextManager[object]:
    """A parked link lets go of its ids."""
    freed = (LinkState.TOMBSTONE, LinkState.ERASED, LinkState.PARKED)
    return patch.object(LinkState, "closed", property(lambda state: state in freed))


def _no_alias_promotion() -> AbstractContextManager[object]:
    """When the survivor of a merge closes, its aliases stay what they are."""
    return patch.object(Workspace, "aliases", lambda _ws, _lid: [])


def _state_as_stored() -> AbstractContextManager[object]:
    """A target's STATE is believed: what was sent stands there."""
    delivered = receipts.delivered

    def believed(ws: Workspace, mapping: SyncMapping, op: Op, at: Moment) -> None:
        delivered(ws, mapping, op, at)
        sent = ws.ops_by_id.get(op.op_id)
        if sent is None or sent.state is not OpState.SENT:
            return
        ws.put_op(replace(sent, state=OpState.ACKED))
        for name, pair in list(ws.bases(op.lid).items()):
            for side, base in list(pair.items()):
                if base.status is BaseStatus.PROVISIONAL:
                    ws.put_base(op.lid, side, name, replace(base, status=BaseStatus.AGREED, previous=MISSING))

    return patch.object(confirm, "delivered", believed)


def _row_level() -> AbstractContextManager[object]:
    """A record is merged as a whole: whoever wins one field wins all."""
    mapping_of = engine.Engine.mapping

    def grouped(field: Field) -> Field:
        alone = field.references or field.direction or isinstance(field.policy, SetUnion | Counting)
        return field if alone else changed(field, group=WHOLE)

    def mapping(sync: engine.Engine, faults: engine.Faults) -> SyncMapping:
        mapping = mapping_of(sync, faults)
        entities = {
            name: changed(entity, fields={n: grouped(f) for n, f in entity.fields.items()})
            for name, entity in mapping.entities.items()
        }
        return changed(mapping, entities=entities)

    return patch.object(engine.Engine, "mapping", mapping)


def _no_audit() -> AbstractContextManager[object]:
    """Overwritten values are written down nowhere."""
    put = Ledger.put

    def without(ledger: Ledger, rows: Sequence[Row]) -> None:
        put(ledger, [row for row in rows if not isinstance(row, Audit)])

    return patch.object(Ledger, "put", without)


ABLATIONS: Mapping[str, Ablation] = {
    each.name: each
    for each in (
        Ablation("no-intent", "a write is noted only after it was made", _no_intent, Focus(faults=("crash",))),
        Ablation("lazy-intent", "a power cut takes what was noted of a write", _lazy_intent, Focus(faults=("crash",))),
        Ablation(
            "no-sync-key",
            "creates bear no key that they are found by",
            _world_without(SYNC_KEY),
            Focus("hubspot", ("create", "edit"), ("crash", "answer lost")),
            1500,
        ),
        Ablation(
            "archive-unsearched",
            "the key is sought among the living only",
            _world_without(ARCHIVE),
            Focus("hubspot", ("create", "undo"), ("crash", "answer lost", "mute")),
            1500,
        ),
        Ablation(
            "no-overlap",
            "incremental reads do not look back",
            _no_overlap,
            Focus("hubspot", ("edit",), ("duplicates",), incremental=True),
        ),
        Ablation("shared-base", "one base for both sides", _shared_base, Focus("hubspot")),
        Ablation(
            "base-from-current-value",
            "the base is what is there now",
            _base_from_current_value,
            Focus("hubspot", ("edit",)),
        ),
        Ablation("parked-as-unlinked", "parked records are free to be linked", _parked_as_unlinked, Focus()),
        Ablation(
            "no-alias-promotion",
            "an alias outlives its survivor",
            _no_alias_promotion,
            Focus("hubspot", ("merge", "both", "create"), ("shuffle",)),
            1500,
        ),
        Ablation(
            "state-as-stored",
            "what a target acknowledged is believed",
            _state_as_stored,
            Focus("foreign", ("edit",), ("write lost",)),
        ),
        Ablation(
            "no-preflight",
            "nobody looks before writing",
            _world_without(PREFLIGHT),
            Focus("hubspot", ("rival", "edit")),
        ),
        Ablation(
            "no-compare-and-set",
            "SQL is written after a look",
            _world_without(COMPARE_AND_SET),
            Focus("warehouse", ("rival", "edit")),
        ),
        Ablation(
            "no-history", "nobody looks after writing", _world_without(HISTORY), Focus("hubspot", ("rival", "edit"))
        ),
        Ablation(
            "row-level", "records are merged whole", _row_level, Focus("warehouse", ("edit",), ("shuffle",)), 1000
        ),
        Ablation("no-audit", "losers leave no trace", _no_audit, Focus()),
    )
}


@dataclass
class Kills:
    """How the schedules of an ablation ended. `first`: the first seed that went wrong, and goes right without it."""

    name: str
    run: int = 0
    first: int | None = None
    broken: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """The share of schedules that went wrong."""
        return self.broken.total() / self.run if self.run else 0.0


def kills(name: str, schedules: int, *, first: int = 0, focused: bool = True, enough: int = 10**9) -> Kills:
    """Run schedules without one mechanism, until `enough` went wrong; those that go wrong with all of it do not count.

    What breaks the engine itself counts as well.
    """
    found = Kills(name)
    focus = ABLATIONS[name].focus if focused else Focus()
    for seed in range(first, first + schedules):
        found.run += 1
        with ABLATIONS[name].without():
            wrong = _wrong(focus.draw(seed))
        if wrong and not _wrong(focus.draw(seed)):
            found.broken[wrong.split(":")[0]] += 1
            found.first = seed if found.first is None else found.first
            if found.broken.total() >= enough:
                break
    return found


def _wrong(drawn: Schedule) -> str:
    try:
        return next(iter(run(drawn).wrong), "")
    except Exception as error:  # noqa: BLE001 - an engine that lost a mechanism may break in any way
        return f"{type(error).__name__}: {error}"


def main() -> int:
    """Print the kill rate of each ablation."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.ablations")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="; ".join(f"{a.name}: {a.what}" for a in ABLATIONS.values())
    )
    parser.add_argument("--schedules", type=int, default=1000, help="for each")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--as-drawn", action="store_true", help="schedules that are not bent to what a mechanism is for"
    )
    options = parser.parse_args()
    names = options.names or list(ABLATIONS)
    unknown = [name for name in names if name not in ABLATIONS]
    if unknown:
        parser.error(f"{unknown[0]!r} is none of {', '.join(ABLATIONS)}")
    survived = []
    with ProcessPoolExecutor(options.workers) as pool:
        work = partial(kills, schedules=options.schedules, first=options.first, focused=not options.as_drawn)
        for found in pool.map(work, names):
            causes = ", ".join(f"{cause} {number}" for cause, number in found.broken.most_common(5))
            where = f"first seed {found.first}; {causes}" if found.first is not None else "NOT CAUGHT"
            sys.stdout.write(f"{found.name:24} {found.broken.total():6} of {found.run} ({found.rate:6.2%})  {where}\n")
            sys.stdout.flush()
            if found.first is None:
                survived.append(found.name)
    return bool(survived)


if __name__ == "__main__":
    sys.exit(main())
