"""Runs inside Tryton's environment: what an administrator sets up before anybody works in a new database.

`seed.py CONFIG DATABASE KEY PASSWORD` makes a company, the user `sync` with this password, and an application of the
kind REST with this key for the same user. Prints nothing.
"""

import sys

from proteus import Model
from proteus import config as settings
from trytond.modules.company.tests.tools import create_company, get_company


def main(config_file: str, database: str, key: str, password: str) -> None:
    """Set the database up."""
    config = settings.set_trytond(f"sqlite:///{database}", config_file=config_file)
    create_company()
    company = get_company()
    user_model, group_model = Model.get("res.user"), Model.get("res.group")
    user = user_model(name="Sync", login="sync", password=password)
    user.companies.append(company)
    user.company = company
    groups = group_model.find([("name", "in", ["Sales", "Sale Opportunity", "Party Administration"])])
    user.groups.extend(groups)
    user.save()
    application_model = Model.get("res.user.application")
    with config.set_context(user=user.id):
        application = application_model(application="rest", key=key)
        application.user = user_model(user.id)
        application.save()


if __name__ == "__main__":
    main(*sys.argv[1:])
