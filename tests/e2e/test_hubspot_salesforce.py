"""docs/hubspot-salesforce.md is run as it stands: two CRMs, and nothing between them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from antiphon_sandbox.hubspot import HubSpot, Limits
from antiphon_sandbox.salesforce import App, Salesforce
from tests.e2e.crm import BIN, LONGEST

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-hubspot")]

PAGE = Path("docs/hubspot-salesforce.md").read_text(encoding="utf-8")
(SYNC,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS, SERVERS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)


def test_two_crms_become_one_with_no_warehouse_between(tmp_path: Path) -> None:
    (tmp_path / "sync.yml").write_text(SYNC, encoding="utf-8")
    with HubSpot(limits=Limits()) as hubspot, Salesforce(app=App(lifetime=10.0**9)) as salesforce:
        account, org = hubspot.account, salesforce.org
        both, left, nameless = (
            account.enter("contacts", {"email": f"{name}@example.com", "firstname": name, "city": "Rome", **more})
            for name, more in (("both", {"lastname": "B"}), ("left", {"lastname": "L"}), ("nameless", {}))
        )
        account.enter("companies", {"name": "Acme", "domain": "acme.example"})
        same = org.enter("Contact", {"Email": "BOTH@example.com", "LastName": "Both", "MailingCity": "Oslo"})
        right = org.enter("Contact", {"Email": "right@example.com", "LastName": "R", "HasOptedOutOfEmail": True})
        values = dict(re.findall(r"(\w+)=(\S+)", SERVERS)) | {
            "HUBSPOT_API": hubspot.url, "HUBSPOT_TOKEN": hubspot.token, "SALESFORCE_DOMAIN": salesforce.url,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip

        def run(line: str, code: int = 0) -> str:
            done = subprocess.run(
                ["bash", "-c", line], cwd=tmp_path, env={**os.environ, **values}, capture_output=True, text=True,
                timeout=LONGEST, check=False,
            )  # fmt: skip
            assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
            return done.stdout

        doctor, sync, verify = COMMANDS.splitlines()
        run(doctor)
        assert not {"Account", "Contact"} & {name for name, each in org.objects.items() if each.hidden}
        run(sync)
        people = {each.values["Email"].lower(): each.values for each in org.live("Contact")}
        assert people.keys() == {"both@example.com", "left@example.com", "right@example.com"}
        assert (people["both@example.com"]["FirstName"], both.values["city"]) == ("both", "Oslo")
        assert org.live("Account")[0].values["Website"] == "acme.example"
        there = {each.values["email"]: each.values for each in account.live("contacts")}
        assert there["right@example.com"]["hs_email_optout"] == "true"
        assert "Required fields are missing: [LastName]" in run("antiphon conflicts list --json")

        account.edit("contacts", nameless.id, lastname="Named")
        account.edit("contacts", left.id, city="Paris")
        org.edit(same.id, FirstName="Bo", HasOptedOutOfEmail=True)
        org.edit(right.id, Phone="06 1")
        run(sync)
        people = {each.values["Email"].lower(): each.values for each in org.live("Contact")}
        assert people["nameless@example.com"]["LastName"] == "Named"
        assert people["left@example.com"]["MailingCity"] == "Paris"
        assert (both.values["firstname"], both.values["hs_email_optout"]) == ("Bo", "true")
        run(verify)
