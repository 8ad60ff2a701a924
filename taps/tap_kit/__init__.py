"""What our taps of web APIs share: the envelope beside each message, `--check`, and errors as one clear line.

| module     | what it gives                                                                                 |
|------------|-----------------------------------------------------------------------------------------------|
| `messages` | SCHEMA and RECORD with the envelope `sync`; schemas that keep all their words; a quick writer |
| `command`  | `CheckedTap`: a tap of the SDK with `--check` and exit codes; `TapError`, `Check`             |
| `clock`    | what time it is on a server                                                                   |
| `ahead`    | requests under way while earlier ones are written out                                         |
"""

from tap_kit.ahead import ahead, early, in_batches
from tap_kit.clock import ServerClock
from tap_kit.command import Capability, Check, CheckedTap, TapError
from tap_kit.messages import DELETED_AT, ENVELOPE, MOMENT, EnvelopeStream, Writer

__all__ = [
    "DELETED_AT",
    "ENVELOPE",
    "MOMENT",
    "Capability",
    "Check",
    "CheckedTap",
    "EnvelopeStream",
    "ServerClock",
    "TapError",
    "Writer",
    "ahead",
    "early",
    "in_batches",
]
