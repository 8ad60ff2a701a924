"""The command `backtest`: recorded history under other policies."""

from __future__ import annotations

import os
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import reading
from antiphon.config import load
from antiphon.errors import ConfigError
from antiphon.show.backtest import backtest_dict, backtest_text
from antiphon.sync.backtest import recorded, replay
from antiphon.sync.run import bound


@click.command()
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="[ENTITY.]FIELD=POLICY",
    help="Another policy for a field: a word, or YAML such as '{owner: crm}'. May be given several times.",
)
@common
def backtest(options: Options, policies: tuple[str, ...]) -> int:
    """Ask other policies what the recorded contests were about: how many would have ended otherwise, and which.

    The other policies are those of --policy, or of another sync.yml with the same ledger (`--config other.yml`), or
    both. Nothing is read from the sides, nothing is written anywhere.
    """
    config = load(options.config, os.environ, dict(map(_parsed, policies)))
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        found = list(replay(ledger, mapping, recorded(ledger)))
        show(options.as_json, backtest_text(found, ledger, mapping), backtest_dict(found, ledger, mapping))
    return 0


def _parsed(given: str) -> tuple[str, Any]:
    """The field, and its policy as YAML has it."""
    name, equals, policy = given.partition("=")
    if not equals or not name or not policy.strip():
        raise ConfigError(f"--policy {given}: write FIELD=POLICY", hint="as in --policy city=latest")
    try:
        return name, YAML(typ="safe", pure=True).load(policy)
    except YAMLError as error:
        raise ConfigError(
            f"--policy {given}: the policy is no YAML: {' '.join(str(error).split())}",
            hint="as in --policy 'city={owner: crm}'",
        ) from error
