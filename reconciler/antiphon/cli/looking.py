"""The commands that look into the ledger: `status` and `why`."""

from __future__ import annotations

import click

from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import read_config, reading
from antiphon.show.status import status_dict, status_text
from antiphon.show.why import why_dict, why_text
from antiphon.sync.run import bound, our_clock


@click.command()
@common
def status(options: Options) -> int:
    """Show links, waiting writes, conflicts, and how far each side was read."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        show(options.as_json, status_text(ledger, mapping, our_clock()), status_dict(ledger, mapping, our_clock()))
    return 0


@click.command()
@click.argument("record")
@click.argument("field", required=False)
@common
def why(options: Options, record: str, field: str | None) -> int:
    """Tell the story of a RECORD (a match value, SIDE:ID or a link's id), or of one FIELD of it."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        show(
            options.as_json,
            why_text(ledger, mapping, record, field, our_clock()),
            why_dict(ledger, mapping, record, field, our_clock()),
        )
    return 0
