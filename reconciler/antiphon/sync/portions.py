"""The plan of a round in portions: what is in memory while it is made does not grow with what it looks at.

A planning holds all that it looked at: some 25 KB for each link. The first round of two sides with a million records,
or one that follows a burst of as many changes, would not fit, and long before that it is slow, because Python's
garbage collector looks at all of it again and again.
"""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from antiphon.errors import LedgerError
from antiphon.facts import ObsKey, Workspace
from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.facts import find_touched
from antiphon.ledger.tables import TABLE_OF
from antiphon.mapping import Mapping as SyncMapping
from antiphon.match import is_loose
from antiphon.model import Conflict, Link, Member, Observation, Op, OpState, Row, Side
from antiphon.plan import Part, Plan, Portion
from antiphon.plan.guards import Linked, check
from antiphon.plan.newcomers import being_named
from antiphon.plan.order import in_order
from antiphon.settle import Moment
from antiphon.sync.planning import propose, unread

PORTION = 2000
"""Records that are planned at once."""


def plans(
    ledger: Ledger,
    mapping: SyncMapping,
    at: Moment,
    *,
    held: Mapping[Side, str],
    linked: Linked,
    reviewed: frozenset[str] | None = None,
    touched: Iterable[ObsKey] | None = None,
    portion: int = PORTION,
) -> Iterator[Plan]:
    """The plans that together follow from the ledger now. Each is to be stored before the next one is asked for.

    `touched` are the records that wait to be looked at, if they are known already. Newcomers get their links first,
    match rule by match rule. Parents come before the records that refer to them. A record that the plan of a later
    portion asks to be looked at once more is.
    """
    rank = {entity.name: place for place, entity in enumerate(mapping.parents_first)}
    touched = find_touched(ledger.store, mapping.sides) if touched is None else touched
    waiting = [key for key in touched if key[1] in rank]
    waiting.sort(key=lambda key: rank[key[1]])

    def plan(some: list[ObsKey], part: Portion | None) -> Plan:
        return propose(ledger, mapping, at, held=held, reviewed=reviewed, linked=linked, touched=some, portion=part)

    rest: Portion | None = None
    if len(waiting) > portion:
        newcomers, rest = _look_ahead(ledger, waiting, portion)
        for rules in range(1, max(1, *(len(entity.match) for entity in mapping.entities.values())) + 1):
            for some in _some(newcomers, portion):
                yield plan(some, replace(rest, rules=rules))
    looked: set[ObsKey] = set()
    again: set[ObsKey] = set()
    ahead = deque(waiting)
    del waiting
    while ahead:
        some = [ahead.popleft() for _ in range(min(portion, len(ahead)))]
        if rest is not None:  # a record may have been looked at with the one that is linked with it
            some = [key for key in some if key in again or key not in looked]
        looked.update(some)
        made = plan(some, rest)
        yield made
        looked.update(made.untouch)
        asked = [key for key in made.touch if key in looked and key not in again and key not in made.waits]
        again.update(asked)
        ahead += asked
        del made


def _look_ahead(ledger: Ledger, waiting: list[ObsKey], portion: int) -> tuple[list[ObsKey], Portion]:
    """Those of the records that may find a partner, and what every portion must know of the others."""
    newcomers: list[ObsKey] = []
    unnamed: set[tuple[str, Side]] = set()
    for some in _some(waiting, portion):
        ws = Workspace(LedgerFacts(ledger.store, some))
        newcomers += [key for key in some if is_loose(ws, key)]
        unnamed |= being_named(ws, some)
    return newcomers, Portion(frozenset(unnamed))


def _some(keys: list[ObsKey], portion: int) -> Iterable[list[ObsKey]]:
    return (keys[at : at + portion] for at in range(0, len(keys), portion))


class _UndoneError(Exception):
    """What was stored for a draft is not kept."""


def draft(
    ledger: Ledger,
    mapping: SyncMapping,
    at: Moment,
    *,
    held: Mapping[Side, str] | None = None,
    reviewed: frozenset[str] | None = None,
    portion: int = PORTION,
) -> Plan:
    """The plan that follows from the ledger now, as `propose` makes it. Nothing is stored.

    If more waits than one portion, what the portions say is laid upon the ledger until all of them are made.
    Raises `LedgerError` if there is no room to keep them for it.
    """
    there = unread(ledger, mapping) if held is None else held
    touched = find_touched(ledger.store, mapping.sides)
    if len(touched) <= portion:
        return propose(ledger, mapping, at, held=there, reviewed=reviewed, touched=touched)

    whole, parts = _Whole(), _Parts()
    with suppress(_UndoneError), ledger.transaction(durable=False):
        made = plans(
            ledger,
            mapping,
            at,
            held=there,
            linked=_uncounted,
            reviewed=reviewed,
            touched=touched,
            portion=portion,
        )
        for plan in made:
            ledger.apply(plan.rows, touch=plan.touch, untouch=plan.untouch)
            whole.add(plan)
            parts.add(plan)
            del plan
        raise _UndoneError
    return replace(whole.plan(mapping, ledger.linked), parts=parts)


def _uncounted(_entity: str, _most: int | None) -> int:
    return 0


class _Parts:
    """The parts of a draft, in a file without a name: in memory, bases alone take 3 KB for each link."""

    def __init__(self) -> None:
        with _room():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with the draft
        weakref.finalize(self, self._file.close)

    def add(self, plan: Plan) -> None:
        """Keep what the ledger is to be told."""
        with _room():
            pickle.dump(Part(plan.rows, plan.touch, plan.untouch), self._file, pickle.HIGHEST_PROTOCOL)
            self._file.flush()

    def __iter__(self) -> Iterator[Part]:
        self._file.seek(0)
        with suppress(EOFError):
            while True:
                yield pickle.load(self._file)  # noqa: S301  # nobody else can open the file


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"the plan is large, and cannot be kept in {tempfile.tempdir or 'a file'}: {error.strerror}",
            hint="make room there, or name a folder with room in TMPDIR; nothing was written",
        ) from error


_SHOWN = (Link, Member, Observation, Op, Conflict)


class _Whole:
    """Plans that were made one upon the other, as one: of each row the last one counts."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, object], Row] = {}
        self._waits: dict[ObsKey, str] = {}
        self._changed: dict[tuple[str, Side], set[str]] = {}

    def add(self, plan: Plan) -> None:
        """Lay a plan upon those before it."""
        for row in plan.rows:
            if isinstance(row, _SHOWN):
                table = TABLE_OF[type(row)]
                self._rows[table.name, table.key_of(row)] = row
        for key in plan.untouch:
            self._waits.pop(key, None)
        self._waits.update(plan.waits)
        for stream, lids in plan.changed.items():
            self._changed.setdefault(stream, set()).update(lids)

    def plan(self, mapping: SyncMapping, linked: Linked) -> Plan:
        """The plan of all of them."""
        rows = [self._rows[key] for key in sorted(self._rows)]
        planned = [row for row in rows if isinstance(row, Op) and row.state is OpState.PLANNED]
        order = [entity.name for entity in mapping.parents_first]
        return Plan(
            rows=tuple(rows),
            touch=(),
            untouch=(),
            operations=tuple(op for level in in_order(planned, order) for op in level),
            conflicts=tuple(row for row in rows if isinstance(row, Conflict)),
            waits=self._waits,
            tripped=tuple(check(mapping, planned, self._changed, linked)),
            changed=self._changed,
        )
