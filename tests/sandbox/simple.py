"""simple-salesforce, pointed at a Salesforce of the sandbox.

The client speaks to `https://….salesforce.com` alone; an adapter of `requests`, its documented way to choose a
transport, carries what it sends to the sandbox.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from antiphon_sandbox.salesforce import Salesforce


class Carrier(HTTPAdapter):
    """Carries requests to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = f"{self.url}{parts.path}{'?' + parts.query if parts.query else ''}"
        return super().send(request, *args, **options)


def transport(salesforce: Salesforce) -> requests.Session:
    session = requests.Session()
    session.mount("https://", Carrier(salesforce.url))
    return session
