"""A HubSpot account behind a real HTTP server, with HubSpot's limits, error bodies, lagging search, and real faults.

```python
with HubSpot() as hubspot:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    ...  # a connector with `api_base: hubspot.url` and `access_token: hubspot.token`
```

It is judged by HubSpot's own Python client, which runs against it unmodified. What HubSpot does not publish and nobody
recorded is marked "not recorded" where the sandbox had to choose.
"""

from antiphon_sandbox.hubspot.account import Account
from antiphon_sandbox.hubspot.faults import Fault, Faults
from antiphon_sandbox.hubspot.limits import Limits
from antiphon_sandbox.hubspot.records import Record, Source
from antiphon_sandbox.hubspot.server import HubSpot
from antiphon_sandbox.hubspot.webhooks import Webhooks

__all__ = ["Account", "Fault", "Faults", "HubSpot", "Limits", "Record", "Source", "Webhooks"]
