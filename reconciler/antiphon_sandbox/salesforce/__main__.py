"""`python -m antiphon_sandbox.salesforce --port 8701`: a Salesforce org to try a connector against, until Ctrl-C."""

from __future__ import annotations

import argparse
import time

from antiphon_sandbox.people import people
from antiphon_sandbox.salesforce import App, Salesforce


def main() -> None:
    """Serve an org."""
    parser = argparse.ArgumentParser(prog="python -m antiphon_sandbox.salesforce", description=__doc__)
    parser.add_argument("--port", type=int, default=8701, help="0 takes a free one")
    parser.add_argument("--contacts", type=int, default=20, help="how many invented contacts the org holds")
    given = parser.parse_args()
    with Salesforce(app=App(lifetime=10.0**9), port=given.port) as salesforce:
        for person in people(1, given.contacts):
            salesforce.org.enter(
                "Contact",
                {
                    "Email": person.email,
                    "FirstName": person.first_name,
                    "LastName": person.last_name,
                    "MailingCity": person.city,
                },
            )
        print(f"Salesforce sandbox: {salesforce.url}  token: {salesforce.token}  Ctrl-C ends it", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
