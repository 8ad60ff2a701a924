"""`antiphon lint`: is the sync one that can work?"""

from __future__ import annotations

import os

import click

from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import read_config
from antiphon.config.lint import lint as find_faults
from antiphon.config.neighbours import lint_neighbours
from antiphon.errors import ConfigError


@click.command()
@common
def lint(options: Options) -> int:
    """Check sync.yml: every mistake, and what could not converge."""
    config = read_config(options.config)
    findings = [*find_faults(config, None, None), *lint_neighbours(config, os.environ)]
    lines = [
        f"{f.severity}: {config.locate(f.where)}: {f.message}" + (f"\n  {f.hint}" if f.hint else "") for f in findings
    ]
    lines.append(f"{options.config}: {len(config.entities)} entities between {' and '.join(config.side_names)}")
    show(
        options.as_json,
        "\n".join(lines),
        {
            "findings": [
                {"severity": f.severity, "where": f.where, "message": f.message, "hint": f.hint} for f in findings
            ]
        },
    )
    return ConfigError.exit_code if any(f.severity == "error" for f in findings) else 0
