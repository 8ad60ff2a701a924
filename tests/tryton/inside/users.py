"""Runs inside Tryton's environment: people who work in Tryton through its own client library.

`users.py URL USER PASSWORD` logs in and reads orders, one JSON object a line, each answered by a line: `{"ok": …}` or
`{"error": …}`.

| order                                                  | what a user does                                  |
|--------------------------------------------------------|---------------------------------------------------|
| `{"do": "make", "model", "values"}`                    | enters a record; its id                           |
| `{"do": "edit", "model", "id", "values"}`              | changes values                                    |
| `{"do": "delete", "model", "id"}`                      | deletes for good                                  |
| `{"do": "replace", "source", "destination"}`           | merges a party into another, warnings accepted    |
| `{"do": "show", "model", "names"}`                     | all records, inactive ones too, by id             |
"""

import json
import sys
from decimal import Decimal
from typing import Any

from proteus import Model, Wizard
from proteus import config as settings


def main(url: str, user: str, password: str) -> None:
    """Carry out orders until there are no more."""
    with settings.set_xmlrpc_session(url, user, password) as config:  # a password with each call would be slow to check
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = {"ok": DO[order.pop("do")](config, **order)}
            except Exception as error:  # noqa: BLE001  # whatever Tryton says is told
                answer = {"error": f"{type(error).__name__}: {error}"}
            sys.stdout.write(json.dumps(answer, default=str) + "\n")
            sys.stdout.flush()


def make(config: Any, model: str, values: dict[str, Any]) -> int:
    """Enter a record."""
    return int(Model.get(model)._proxy.create([values], config.context)[0])


def edit(config: Any, model: str, key: int, values: dict[str, Any]) -> None:
    Model.get(model)._proxy.write([key], values, config.context)


def delete(config: Any, model: str, key: int) -> None:
    Model.get(model)._proxy.delete([key], config.context)


def replace(config: Any, source: int, destination: int) -> None:
    party, user = Model.get("party.party"), Model.get("res.user")
    (me,) = user.find([("login", "=", "admin")])
    for key in ("name", "tax_identifier"):
        Model.get("res.user.warning")(user=me, name=f"party.replace {key} {source} {destination}", always=False).save()
    wizard = Wizard("party.replace", models=[party(source)])
    wizard.form.source, wizard.form.destination = party(source), party(destination)
    wizard.execute("replace")


def show(config: Any, model: str, names: list[str]) -> list[dict[str, Any]]:
    context = {**config.context, "active_test": False}
    found = Model.get(model)._proxy.search_read([], 0, None, [("id", "ASC")], ["id", *names], context)
    return [{name: plain(each[name]) for name in ("id", *names)} for each in found]


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


DO: dict[str, Any] = {"make": make, "edit": edit, "delete": delete, "replace": replace, "show": show}

if __name__ == "__main__":
    main(*sys.argv[1:])
