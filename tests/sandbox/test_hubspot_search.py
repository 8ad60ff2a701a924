"""Search is an index of its own: it trails, it has a window, and it is judged by HubSpot's own client."""

from __future__ import annotations

from typing import Any

import pytest
from hubspot.crm.contacts.exceptions import ApiException

from antiphon_sandbox.hubspot import Account, HubSpot, Limits
from tests.sandbox.conftest import official


def ids(client: Any, **asked: Any) -> list[str]:
    return [each.id for each in client.crm.contacts.search_api.do_search(asked).results]


def where(name: str, operator: str, **more: Any) -> list[dict[str, Any]]:
    return [{"filters": [{"propertyName": name, "operator": operator, **more}]}]


def test_what_was_written_is_found_after_the_lag_and_not_before() -> None:
    now = [1_700_000_000_000]
    account = Account(lag=30_000, clock=lambda: now[0])
    with HubSpot(account) as hubspot:
        client = official(hubspot)
        ann = account.enter("contacts", {"email": "ann@example.com"})
        assert ids(client) == []
        now[0] += 30_000
        assert ids(client) == [ann.id]


def test_the_index_names_what_the_store_has_no_more() -> None:
    now = [1_700_000_000_000]
    account = Account(clock=lambda: now[0])
    with HubSpot(account) as hubspot:
        client = official(hubspot)
        ann = account.enter("contacts", {"email": "ann@example.com"})
        account.index.lag = 30_000
        account.trash("contacts", ann.id)
        found = client.crm.contacts.search_api.do_search({})
        assert (found.total, found.results) == (1, [])


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (where("city", "EQ", value="rome"), "ac"),
        (where("city", "NEQ", value="Rome"), "b"),
        (where("city", "IN", values=["Oslo"]), "b"),
        (where("city", "NOT_IN", values=["Oslo"]), "ac"),
        (where("phone", "HAS_PROPERTY"), "a"),
        (where("phone", "NOT_HAS_PROPERTY"), "bc"),
        (where("num_children", "GT", value="1"), "bc"),
        (where("num_children", "GTE", value="2"), "bc"),
        (where("num_children", "LT", value="2"), "a"),
        (where("num_children", "LTE", value="1"), "a"),
        (where("num_children", "BETWEEN", value="2", highValue="9"), "b"),
        (where("jobtitle", "CONTAINS_TOKEN", value="chief"), "a"),
        (where("jobtitle", "CONTAINS_TOKEN", value="offic*"), "ab"),
        (where("jobtitle", "NOT_CONTAINS_TOKEN", value="chief"), "b"),
        ([*where("city", "EQ", value="Oslo"), *where("phone", "HAS_PROPERTY")], "ab"),
    ],
)
def test_every_operator(client: Any, hubspot: HubSpot, groups: Any, expected: str) -> None:
    enter = hubspot.account.enter
    made = {
        enter("contacts", {"city": "Rome", "phone": "1", "num_children": "1", "jobtitle": "Chief officer"}).id: "a",
        enter("contacts", {"city": "Oslo", "num_children": "2", "jobtitle": "Office clerk"}).id: "b",
        enter("contacts", {"city": "Rome", "num_children": "10"}).id: "c",
    }
    assert "".join(sorted(made[key] for key in ids(client, filterGroups=groups))) == expected


def test_pages_are_sorted_and_end_at_ten_thousand(client: Any, hubspot: HubSpot) -> None:
    for n in range(30):
        hubspot.account.enter("contacts", {"num_children": str(n)})
    found = client.crm.contacts.search_api.do_search(
        {"sorts": [{"propertyName": "num_children", "direction": "DESCENDING"}], "limit": 10, "after": "10",
         "properties": ["num_children"]}
    )  # fmt: skip
    assert [each.properties["num_children"] for each in found.results] == [str(n) for n in range(19, 9, -1)]
    assert (found.total, found.paging.next.after) == (30, "20")
    with pytest.raises(ApiException):
        client.crm.contacts.search_api.do_search({"limit": 200, "after": "9900"})
    with pytest.raises(ApiException):
        client.crm.contacts.search_api.do_search({"limit": 201})


def test_search_has_a_limit_of_its_own_and_headers_of_its_own() -> None:
    with HubSpot(limits=Limits(search=5)) as hubspot:
        client = official(hubspot)
        _, _, headers = client.crm.contacts.search_api.do_search_with_http_info({})
        assert "X-HubSpot-RateLimit-Daily-Remaining" in headers
        assert "X-HubSpot-RateLimit-Max" not in headers
        search = client.crm.contacts.search_api.do_search
        with pytest.raises(ApiException) as refused:
            [search({}) for _ in range(50)]  # a machine that takes ten seconds for these would pass the limit by
        assert refused.value.status == 429
        assert '"message":"You have reached your secondly limit."' in refused.value.body
        assert "policyName" not in refused.value.body
        assert "Retry-After" not in refused.value.headers


def test_the_burst_and_the_daily_limit_have_bodies_of_their_own() -> None:
    with HubSpot(limits=Limits(burst=2, daily=1000)) as hubspot:
        client = official(hubspot)
        for _ in range(2):
            _, _, headers = client.crm.contacts.basic_api.get_page_with_http_info()
        assert headers["X-HubSpot-RateLimit-Remaining"] == "0"
        assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
        with pytest.raises(ApiException) as refused:
            client.crm.contacts.basic_api.get_page()
        assert '"policyName":"TEN_SECONDLY_ROLLING"' in refused.value.body
        hubspot.limits.used = 1000
        with pytest.raises(ApiException) as refused:
            client.crm.contacts.basic_api.get_page()
        assert '"message":"You have reached your daily limit."' in refused.value.body
        assert '"policyName":"DAILY"' in refused.value.body
