"""A Salesforce org behind a real HTTP server, with Salesforce's words for what it refuses, and real faults.

```python
with Salesforce() as salesforce:
    ann = salesforce.org.enter("Contact", {"LastName": "Ames"})
    ...  # a connector with `instance_url: salesforce.url` and `access_token: salesforce.token`
```

It is judged by `simple-salesforce`, which runs against it unmodified. A refusal whose words Salesforce does not publish
and nobody recorded is made by `errors.in_our_words`.
"""

from antiphon_sandbox.salesforce.errors import Refused, refuse
from antiphon_sandbox.salesforce.oauth import App
from antiphon_sandbox.salesforce.org import Org, Record
from antiphon_sandbox.salesforce.schema import Field, SObject
from antiphon_sandbox.salesforce.server import Fault, Salesforce

__all__ = ["App", "Fault", "Field", "Org", "Record", "Refused", "SObject", "Salesforce", "refuse"]
