"""`antiphon demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--between",
    type=click.Choice(["hubspot", "postgres"]),
    default="hubspot",
    show_default=True,
    help="A HubSpot of the sandbox and DuckDB, by our own plugins; or two PostgreSQL servers, by foreign ones.",
)
@click.option("--records", type=int, default=1000, show_default=True, help="People on each side, with postgres.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave the project in this folder.")
def demo(between: str, records: int, keep: Path | None) -> int:
    """Show a two-way sync: of a CRM and a warehouse, or of two real PostgreSQL servers."""
    if between == "hubspot":
        from antiphon_sandbox import hubspot_demo

        return hubspot_demo.run_demo(keep=keep)
    from antiphon_sandbox.demo import run_demo

    return run_demo(records=records, keep=keep)
