"""What a follower answers by HTTP, and when it is said to live and to be ready."""

from __future__ import annotations

import pytest
import requests

from antiphon.errors import ConfigError
from antiphon.sync import health
from antiphon.sync.health import Health


def test_it_is_ready_while_rounds_end_well_and_alive_while_it_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("antiphon.sync.health.time.monotonic", lambda: now)
    it = Health()
    assert (it.live, it.ready) == (True, False)
    now += 3600  # a first read may take long
    assert (it.live, it.ready) == (True, False)

    it.beat(ready=True)
    assert (it.live, it.ready) == (True, True)
    now += health.STALE + 1
    assert (it.live, it.ready) == (True, False)
    now += health.DEAD
    assert (it.live, it.ready) == (False, False)
    it.beat()
    assert (it.live, it.ready) == (True, False)


def test_metrics_are_told_by_side_and_nothing_else_is_answered() -> None:
    it = Health()
    it.written.labels("crm").inc(3)
    it.look_at("crm", lambda: 0.25)
    with it.served("127.0.0.1:0") as port:
        url = f"http://127.0.0.1:{port}"
        told = requests.get(f"{url}/metrics", timeout=10).text
        codes = {path: requests.get(url + path, timeout=10).status_code for path in ("/live", "/ready", "/")}
    assert 'antiphon_operations_written_total{side="crm"} 3.0' in told
    assert 'antiphon_behind_seconds{side="crm"} 0.25' in told
    assert codes == {"/live": 200, "/ready": 503, "/": 404}


@pytest.mark.parametrize("address", ["9464", "127.0.0.1:http", "127.0.0.1:99999", "no.such.host.invalid:0"])
def test_an_address_that_cannot_be_had_is_told_with_the_way_out(address: str) -> None:
    with pytest.raises(ConfigError, match="--listen") as told, Health().served(address):
        pass
    assert told.value.hint
