"""`antiphon demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--records", type=int, default=1000, show_default=True, help="People on each side.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave the project in this folder.")
def demo(records: int, keep: Path | None) -> int:
    """Show a two-way sync of two real PostgreSQL servers."""
    from antiphon_sandbox.demo import run_demo

    return run_demo(records=records, keep=keep)
