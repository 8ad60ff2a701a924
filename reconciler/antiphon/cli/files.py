"""Files that a command writes for people, or reads from them. `-` is standard output or input."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from antiphon.errors import ConfigError
from antiphon.sheet import Form, SheetRow, form_of, load

FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Form]),
    help="The form of the rows.  [default: as the file's name says]",
)


def read_text(file: str, hint: str) -> str:
    """The text of a file. Raises `ConfigError` if it cannot be read; `hint` says where such a file comes from."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8")  # ends of lines stay as they are: a cell may hold some
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text: {error}", hint="save it in UTF-8") from error


def write_text(file: str, text: str) -> None:
    """Write a file whole or not at all."""
    if file == "-":
        click.echo(text.encode(), nl=False)
        return
    path = Path(file)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(text.encode())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error


def read_rows(file: str, form: str | None, needed: tuple[str, ...], hint: str) -> list[SheetRow]:
    """The rows of a CSV or JSON file. Raises `ConfigError` with the file's name and the line."""
    chosen = form_of(file, form)
    return load(chosen, read_text(file, hint), "standard input" if file == "-" else Path(file).name, needed)


def bom_for(file: str, form: Form) -> str:
    """What stands before a CSV for a spreadsheet, which would not read it as UTF-8 otherwise."""
    return "\ufeff" if form is Form.CSV and file != "-" else ""
