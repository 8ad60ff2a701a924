"""BATCH messages: files of records that a tap wrote beside the stream."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import msgspec

from target_kit.errors import ProtocolError, TargetError

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_HINT = "have the tap write to a folder that this target can read"


def local_files(message: Mapping[str, Any], where: str) -> list[Path]:
    """The files of a BATCH message. Raises `TargetError` for files that are not on this machine."""
    manifest = message.get("manifest")
    if not isinstance(manifest, list) or not isinstance(message.get("encoding"), dict):
        raise ProtocolError(f"{where}: a BATCH without `encoding` and `manifest`")
    files = []
    for url in manifest:
        if "://" in url and not url.startswith("file://"):
            raise TargetError(f"{where}: a BATCH file that is not on this machine: {url}", hint=_HINT)
        files.append(Path(unquote(urlparse(url).path)) if "://" in url else Path(url))
    return files


def read_jsonl(path: Path, compression: str | None, where: str) -> Iterator[dict[str, Any]]:
    """The records of a file, one JSON object a line. Raises `TargetError` naming the file and the line."""
    number = 0
    try:
        with gzip.open(path) if compression == "gzip" else path.open("rb") as file:
            for line in file:
                number += 1
                if line.strip():
                    yield _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{where}: {path}, line {number}: this is no record: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TargetError(f"{where}: the BATCH file {path} cannot be read: {error}", hint=_HINT) from error
