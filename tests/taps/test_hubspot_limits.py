"""The pace: never one request too many in any ten seconds, and hardly one too few."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from antiphon_sandbox.hubspot import Limits
from tap_hubspot.api.limits import Limiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def headers(most: int, remaining: int) -> dict[str, str]:
    return {
        "X-HubSpot-RateLimit-Max": str(most),
        "X-HubSpot-RateLimit-Remaining": str(remaining),
        "X-HubSpot-RateLimit-Daily": "1000",
        "X-HubSpot-RateLimit-Daily-Remaining": "7",
    }


@given(st.lists(st.floats(0.001, 3), min_size=30, max_size=120), st.integers(3, 20), st.data())
def test_no_window_of_the_server_ever_holds_one_too_many(took: list[float], most: int, data: st.DataObject) -> None:
    clock = Clock()
    limiter = Limiter(most, clock=clock, sleep=clock.sleep)
    arrived: deque[float] = deque()
    for seconds in took:
        limiter.start("api")
        at = clock.now + seconds * data.draw(st.floats(0, 1))  # somewhere on the way the server counts it
        while arrived and arrived[0] <= at - 10:
            arrived.popleft()
        assert len(arrived) < most
        arrived.append(at)
        clock.now += seconds
        limiter.end("api", {})


def test_the_limit_is_used_to_the_full() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock, sleep=clock.sleep)
    server = Limits(burst=190, clock=clock)
    for _ in range(1901):
        limiter.start("api")
        clock.now += 0.01
        assert server.take("api") is None
        told = server.headers("api")
        clock.now += 0.01
        limiter.end("api", told)
    assert 100 <= clock.now - 1000 <= 100 * 1.02  # ten windows of 190, and then one more request


def test_searches_have_a_pace_of_their_own() -> None:
    clock = Clock()
    limiter = Limiter(5, clock=clock, sleep=clock.sleep)
    for _ in range(26):
        limiter.start("search")
        limiter.end("search", {})
    assert 5 <= clock.now - 1000 < 5.5
    limiter.start("api")  # did not wait for any of them
    assert clock.now - 1000 < 5.5


def test_what_others_use_of_the_account_is_left_to_them() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock, sleep=clock.sleep)
    limiter.start("api")
    limiter.end("api", headers(100, 9))  # ninety of the hundred are somebody else's
    started = clock.now
    for _ in range(9):
        limiter.start("api")
        limiter.end("api", {})
    assert clock.now == started
    limiter.start("api")
    assert clock.now - started >= 10


def test_a_pause_holds_for_everybody() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock, sleep=clock.sleep)
    limiter.pause("api", 10)
    limiter.start("api")
    assert clock.now == 1010


def test_the_calls_left_for_today_are_known() -> None:
    limiter = Limiter()
    limiter.start("api")
    limiter.end("api", headers(190, 189))
    assert (limiter.daily_left, limiter.daily) == (7, 1000)
    assert limiter.minutes(190 * 7) == 1.0
