"""What a tap says beside its records: an account, the time of its side, and when a value changed there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import GuardTripped, PluginFailed
from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.tables import FINGERPRINT, OBS
from antiphon.model import Instant, Observation
from antiphon.singer.messages import encode, parse
from antiphon.sync.absence import complete
from antiphon.sync.collect import Collector, Stream
from antiphon.sync.witness import HEAD_START, SECOND, Skew, Witness, accept_account, grain, instant

START: Instant = 1_800_000_000 * SECOND
CITY = {"city": {"type": ["string", "null"]}, "id": {"type": "string"}}


def iso(at: Instant) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat()


class Side:
    """One side with its own clock, read again and again by one tap."""

    def __init__(self, ahead: Instant = 0) -> None:
        self.ledger, self.now, self.ahead = Ledger(MemoryStore()), START, ahead
        self.ledger.create(ledger_id="l", name="n", now=0)

    def read(
        self, city: str | None = None, changed: Instant | None = None, *, column: bool = True, **said: Any
    ) -> None:
        """A read of one record. `changed`: when it was, by our clock; the side tells it by its own.

        Without the `column`, the tap shows no city at all.
        """
        self.now += 600 * SECOND
        stream = Stream("contact", "people", ("id",), ("city", "id"), full=city is not None)
        collector = Collector(self.ledger, "crm", [stream], lambda: self.now, tap="tap-x")
        self.now += 2 * SECOND
        shown = {name: shape for name, shape in CITY.items() if column or name != "city"}
        schema: dict[str, Any] = {
            "type": "SCHEMA",
            "stream": "people",
            "schema": {"properties": shown},
            "key_properties": ["id"],
        }
        envelope = {} if changed is None else {"field_times": {"city": iso(changed + self.ahead)}}
        values = {"id": "1", "city": city} if column else {"id": "1"}
        record = {"type": "RECORD", "stream": "people", "record": values, "sync": envelope}
        for message in ({**schema, "sync": said}, *([] if city is None else [record])):
            collector.feed(parse(encode(message), "tap-x"))
        collector.flush()
        collector.ended()
        complete(self.ledger, "crm", {"contact": 0})

    def clock(self) -> dict[str, Any]:
        return {"clock": iso(self.now + 600 * SECOND + self.ahead)}

    def seen(self) -> Observation:
        (row,) = self.ledger.store.scan(OBS)
        return row


# ---- accounts


def test_the_first_account_is_remembered_and_the_same_one_is_welcome() -> None:
    side = Side()
    for _ in range(3):
        side.read("Rome", account="portal-7")
    assert [row.account for row in side.ledger.store.scan(FINGERPRINT)] == ["portal-7"]


def test_another_account_is_refused_before_any_of_its_records_is_stored() -> None:
    side = Side()
    side.read("Rome", account="portal-7")
    with pytest.raises(GuardTripped) as stopped:
        side.read("Oslo", account="portal-8")
    assert "'portal-8' instead of 'portal-7'" in stopped.value.message
    assert "--accept-account crm" in (stopped.value.hint or "")
    assert side.seen().fields["city"] == "Rome"
    accept_account(side.ledger, "crm")
    side.read("Oslo", account="portal-8")
    assert side.seen().fields["city"] == "Oslo"


def test_a_tap_that_names_no_account_is_not_asked_for_one() -> None:
    side = Side()
    side.read("Rome")
    side.read("Rome", account="portal-7")
    side.read("Oslo")
    assert side.seen().fields["city"] == "Oslo"


# ---- when a value changed


@pytest.mark.parametrize("ahead", [0, 3600 * SECOND, -5 * SECOND], ids=["in time", "an hour ahead", "behind"])
def test_a_field_time_narrows_the_interval_to_the_bounds_of_the_skew(ahead: Instant) -> None:
    side = Side(ahead)
    side.read("Rome", **side.clock())
    changed = side.now + 300 * SECOND + 123_000
    side.read("Oslo", changed, **side.clock())
    after, until = side.seen().dirty["city"]
    assert after < changed <= until
    assert until - after <= HEAD_START + 4 * SECOND


def test_without_the_time_of_the_side_its_field_times_prove_nothing() -> None:
    side = Side(3600 * SECOND)
    side.read("Rome")
    read = side.now
    side.read("Oslo", side.now + 300 * SECOND)
    after, until = side.seen().dirty["city"]
    assert until - after > 590 * SECOND
    assert after < read + 300 * SECOND < until


@pytest.mark.parametrize("shown", [True, False], ids=["in its records", "in a read without records"])
def test_a_column_that_a_read_lacked_may_have_changed_since_it_was_last_seen(*, shown: bool) -> None:
    side = Side()
    side.read("Rome")
    side.read("Oslo")
    seen = side.now
    side.read("whatever" if shown else None, column=False)
    side.read("Bern")
    after, until = side.seen().dirty["city"]
    assert after <= seen
    assert until == side.now


def test_a_stamp_from_before_our_last_look_contradicts_it_and_the_look_is_believed() -> None:
    side = Side()
    side.read("Rome", **side.clock())
    looked = side.now
    side.read("Oslo", looked - 400 * SECOND, **side.clock())
    after, until = side.seen().dirty["city"]
    assert (after >= looked - 602 * SECOND, until) == (True, side.now)
    assert after > looked - 400 * SECOND


@given(
    st.integers(-(10**10), 10**10),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.sampled_from([1, 1000, SECOND]),
)
def test_whatever_the_clocks_do_the_change_is_inside_what_is_left(
    ahead: int, before: int, later: int, event: int, looked: int, coarse: int
) -> None:
    """Their clock is `ahead`; it was asked some time after our read began, and heard some time later."""
    started, changed = START, START - event
    theirs = (started + before + ahead) // coarse * coarse
    skew = Skew(started - HEAD_START - theirs - grain(theirs), started + before + later - theirs)
    told = (changed + ahead) // coarse * coarse
    after, until = skew.narrowed((changed - looked, changed + looked), told)
    assert after < changed <= until


def test_the_bounds_of_the_skew_are_kept_for_people_to_see() -> None:
    side = Side(30 * SECOND)
    side.read("Rome", **side.clock())
    (row,) = side.ledger.store.scan(FINGERPRINT)
    assert row.skew_least is not None
    assert row.skew_most is not None
    assert row.skew_least <= -30 * SECOND <= row.skew_most


def test_two_measurements_in_one_read_narrow_each_other_unless_the_clock_was_set() -> None:
    witness = Witness(Side().ledger, "crm", START, "tap-x")
    witness.hear({"clock": iso(START + 500_001)}, START + 5 * SECOND)
    wide = witness.skew
    witness.hear({"clock": iso(START + 7 * SECOND + 1)}, START + 7 * SECOND)
    assert wide is not None
    assert witness.skew is not None
    assert (witness.skew.least, witness.skew.most) == (wide.least, -1)
    witness.hear({"clock": iso(START + 9000 * SECOND + 1)}, START + 8 * SECOND)
    assert witness.skew.most < -8000 * SECOND


@pytest.mark.parametrize("text", ["soon", "2026-11-20T10:00:00", 1_800_000_000, None, ""], ids=repr)
def test_what_is_no_instant_is_one_clear_error(text: Any) -> None:
    with pytest.raises(PluginFailed) as error:
        instant(text, "tap-x: field_times.city")
    assert error.value.message == f"tap-x: field_times.city: found {text!r}, which is no instant"


def test_times_that_are_no_object_name_the_tap() -> None:
    witness = Witness(Side().ledger, "crm", START, "tap-x")
    with pytest.raises(PluginFailed, match="tap-x: a RECORD of people: `field_times` is no object"):
        witness.times({"field_times": ["now"]}, "people")
    assert witness.times({}, "people") == {}


@pytest.mark.parametrize("said", [{"account": 7}, {"clock": "noon"}], ids=repr)
def test_an_envelope_that_is_none_names_the_tap(said: dict[str, Any]) -> None:
    with pytest.raises(PluginFailed, match="tap-x: the envelope of a SCHEMA"):
        Side().read("Rome", **said)
