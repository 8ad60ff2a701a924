"""`python -m antiphon_sandbox.hubspot --port 8700`: a HubSpot account to try a connector against, until Ctrl-C."""

from __future__ import annotations

import argparse
import time

from antiphon_sandbox.hubspot import Account, Fault, HubSpot, Limits
from antiphon_sandbox.people import people


def main() -> None:
    """Serve an account."""
    parser = argparse.ArgumentParser(prog="python -m antiphon_sandbox.hubspot", description=__doc__)
    parser.add_argument("--port", type=int, default=8700, help="0 takes a free one")
    parser.add_argument("--contacts", type=int, default=20, help="how many invented contacts the account holds")
    parser.add_argument("--lag", type=float, default=1.0, help="seconds that search trails behind")
    parser.add_argument("--token", default="pat-na1-sandbox", help="the token to accept")
    parser.add_argument("--unlimited", action="store_true", help="no rate limits")
    parser.add_argument("--trouble", type=float, default=0.0, help="chance of a 503 for any request, 0 to 1")
    given = parser.parse_args()
    account = Account(lag=int(given.lag * 1000))
    for person in people(1, given.contacts):
        account.enter(
            "contacts",
            {"email": person.email, "firstname": person.first_name, "lastname": person.last_name, "city": person.city},
        )
    limits = Limits.off() if given.unlimited else Limits()
    with HubSpot(account, limits=limits, port=given.port) as hubspot:
        hubspot.tokens.known[given.token] = hubspot.tokens.known[hubspot.token]
        if given.trouble:
            hubspot.faults.add(Fault("status", times=10**9, chance=given.trouble))
        print(f"HubSpot sandbox: {hubspot.url}  token: {given.token}  Ctrl-C ends it", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
