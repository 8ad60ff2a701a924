"""What our taps share: the envelope beside each message, `--check`, and errors as one clear line.

| module      | what it gives                                                                                 |
|-------------|-----------------------------------------------------------------------------------------------|
| `messages`  | SCHEMA and RECORD with the envelope `sync`; schemas that keep all their words; a quick writer |
| `command`   | `CheckedTap`: a tap of the SDK with `--check` and exit codes; `TapError`, `Check`             |
| `following` | a tap that stays, and shows what changed whenever it is asked                                 |
| `polling`   | such a tap of an API that cannot tell of changes                                              |
| `clock`     | what time it is on a server                                                                   |
| `ahead`     | requests under way while earlier ones are written out                                         |
"""

from tap_kit.ahead import ahead, early, in_batches
from tap_kit.clock import ServerClock
from tap_kit.command import FOLLOW, Capability, Check, CheckedTap
from tap_kit.errors import TapError
from tap_kit.following import Bell, Followed, Questions, say
from tap_kit.messages import DELETED_AT, ENVELOPE, MOMENT, EnvelopeStream, Writer
from tap_kit.polling import Polled

__all__ = [
    "DELETED_AT",
    "ENVELOPE",
    "FOLLOW",
    "MOMENT",
    "Bell",
    "Capability",
    "Check",
    "CheckedTap",
    "EnvelopeStream",
    "Followed",
    "Polled",
    "Questions",
    "ServerClock",
    "TapError",
    "Writer",
    "ahead",
    "early",
    "in_batches",
    "say",
]
