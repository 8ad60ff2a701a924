"""HubSpot and a warehouse become one and stay so, with our own plugins as processes, whatever goes wrong in between."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from antiphon_sandbox.hubspot import Account, Fault, HubSpot, Limits
from tests.e2e.crm import BIN, Crm

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-hubspot")]

PLAIN, PRIMARY = 279, 1  # kinds of association of a contact and a company
FULL = {
    "firstname": "Ann", "city": "Rome", "phone": "+39 06 1", "num_children": "3", "hs_email_optout": "true",
    "date_of_birth": "951782400000", "notes_next_activity_date": "2026-01-02T04:04:05.678+01:00",
    "hs_buying_role": "END_USER;CHAMPION",
}  # fmt: skip


def test_two_systems_that_differ_become_one_and_then_are_quiet(tmp_path: Path) -> None:
    with HubSpot(Account(lag=100), limits=Limits()) as hubspot:
        account, crm = hubspot.account, Crm.create(hubspot, tmp_path)
        people = [account.enter("contacts", {**FULL, "email": f"n{n}@Example.com"}) for n in range(12)]
        firm = account.enter("companies", {"name": "Acme", "domain": "acme.example"})
        advisor, _ = account.links.define(people[0].kind, firm.kind, "Advisor", "Advised by")
        account.links.add(people[0], firm, [advisor.type_id])
        theirs = crm.insert(email="N5@example.com", city="Oslo")
        crm.insert(email="new@example.com", first_name="Nina", city="Graz", children=4, optout=True, born="1999-12-31",
                   next_activity="2026-05-06 07:08:09.123+02", roles="CHAMPION")  # fmt: skip
        crm.insert(email="won@example.com")
        planned = crm.run("plan", "--json")
        costs = {cost["name"]: cost for cost in json.loads(planned.out)["costs"]}
        assert costs["contacts"]["message"].startswith("2 operations need about 3 calls, 0.0 minutes"), planned.out
        assert costs["daily calls"]["affordable"]
        crm.sync()
        assert sorted(crm.differences()) == [  # by HubSpot alone
            f"{name}@example.com.stage: 'lead' in HubSpot, None in the warehouse" for name in ("new", "won")
        ]
        crm.sql("update contacts set stage = 'customer' where email = 'won@example.com'")
        crm.sync()
        assert crm.differences() == []
        assert [crm.crm()[f"{name}@example.com"]["stage"] for name in ("new", "won")] == ["lead", "customer"]
        assert len(account.live("contacts")) == 14
        assert crm.sql("select type_id from memberships order by 1") == [(PLAIN,), (advisor.type_id,)]
        assert crm.sql("select distinct note from contacts where contact_id = ?", theirs) == [("untouched",)]

        account.edit("contacts", people[1].id, city="Paris", hs_email_optout="false")
        crm.sql("update contacts set city = 'Turin', children = null where email like 'n2@%'")
        crm.sql("update contacts set roles = 'END_USER;CHAMPION;DECISION_MAKER' where email like 'n3@%'")
        account.edit("contacts", people[3].id, hs_buying_role="CHAMPION")  # both changed the set
        merged = account.merge(people[6], people[7])
        account.trash("contacts", people[8].id)
        crm.sql("delete from contacts where email like 'n9@%'")
        crm.sql("insert into memberships select c.contact_id, f.company_id, ? from contacts c, companies f "
                "where c.email like 'n4@%'", PRIMARY)  # fmt: skip
        crm.sql("delete from memberships where type_id = ?", advisor.type_id)
        crm.until_quiet()
        held = crm.crm()
        assert held["n2@example.com"]["city"] == "Turin"
        assert held["n2@example.com"]["children"] is None
        assert held["n3@example.com"]["roles"] == "CHAMPION;DECISION_MAKER"
        assert "n8@example.com" not in held
        assert "n9@example.com" not in held
        kept = [line for line in crm.differences() if "n7@" not in line]  # its record was merged away: a person decides
        assert kept == []
        assert merged.values["email"] in held
        assert account.links.of(people[4], firm.kind) == {firm.id: {PLAIN, PRIMARY}}
        assert account.links.of(people[0], firm.kind) == {firm.id: {PLAIN}}
        assert not sum(crm.sync().wrote.values())


def test_under_all_faults_at_once_nothing_is_lost_or_doubled_and_the_tail_is_quiet(tmp_path: Path) -> None:
    chance = random.Random(11)
    with HubSpot(Account(lag=300), limits=Limits()) as hubspot:
        account, crm = hubspot.account, Crm.create(hubspot, tmp_path)
        people = [account.enter("contacts", {"email": f"n{n}@example.com", "city": "Rome"}) for n in range(40)]
        crm.sync()
        cities: dict[str, str] = {}
        names: dict[str, str] = {}
        expected = {f"n{n}@example.com" for n in range(40)}
        for number in range(2):
            hubspot.faults.clear()
            hubspot.faults.add(
                Fault("status", chance=0.08, times=6, status=503),
                Fault("status", chance=0.08, times=6, status=502, applied=True),
                Fault("status", chance=0.04, times=3, status=429, retry_after=0),
                Fault("status", chance=0.04, times=2, status=423, retry_after=0),
                Fault("cut", chance=0.06, times=4, applied=True),
                Fault("cut", chance=0.06, times=4),
                Fault("timeout", chance=0.06, times=3, applied=True, seconds=0.1),
                Fault("duplicate", path="GET /crm/v3/objects", chance=0.3, times=2),
                Fault("truncate", path="GET /crm/v3/objects/contacts", chance=0.2, times=1),
                Fault(
                    "human", path="batch/update", times=2,
                    does=lambda: account.edit("contacts", people[39].id, city=f"by hand {chance.random()}"),
                ),
            )  # fmt: skip
            for record in chance.sample(people[:39], 10):
                cities[str(record.values["email"])] = value = f"crm {number} {record.id}"
                account.edit("contacts", record.id, city=value)
            for record in chance.sample(people[:39], 10):
                names[str(record.values["email"])] = value = f"warehouse {number} {record.id}"
                crm.sql("update contacts set first_name = ? where email = ?", value, record.values["email"])
            account.enter("contacts", {"email": f"crm{number}@example.com", "city": "Rome"})
            crm.insert(email=f"warehouse{number}@example.com", first_name="Nina")
            expected |= {f"crm{number}@example.com", f"warehouse{number}@example.com"}
            done = crm.run("sync")
            assert "Traceback" not in done.err
        hubspot.faults.clear()
        crm.until_quiet()
        assert hubspot.faults.met
        held = crm.crm()  # raises if a contact is doubled
        assert set(held) == expected
        assert crm.differences() == []
        assert {email: held[email]["city"] for email in cities} == cities
        assert {email: held[email]["first_name"] for email in names} == names
        assert not sum(crm.sync().wrote.values())
        assert crm.run("verify").code == 0


def test_the_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(BIN / "antiphon"), "demo", "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "customer is further along",
        "the policy is to ask",
        "deletions wait for a person",
        "refused 0 times",
    ):
        assert words in done.stdout, done.stdout
    assert ", 0 differ" in done.stdout
    assert "exit code" not in done.stdout
