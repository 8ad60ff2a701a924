"""Stands between Antiphon and a plugin, passes on every byte, and kills one of them at a given moment.

    saboteur.py PLUGIN [ARGUMENT…]

`KILL` in the environment names the moment and the victim: `tap-record`, `tap-state` or `target-state`, a space, and
`tap`, `target` or `antiphon`. The line that gives the moment is not passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

MARKS = {"tap-record": b'"type":"RECORD"', "tap-state": b'"type":"STATE"', "target-state": b'"bookmarks"'}


def main() -> int:
    """Run the plugin and end as it ends."""
    moment, _, victim = os.environ.get("KILL", "").partition(" ")
    plugin = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
    mine = moment if moment.split("-")[0] in sys.argv[1].rpartition("/")[2] and "--discover" not in sys.argv else ""
    if plugin.stdout is None:
        return 1
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as out:  # noqa: PTH123  # an open descriptor
        for line in plugin.stdout:
            if mine and MARKS[mine] in line.replace(b'": ', b'":'):
                os.kill(os.getppid() if victim == "antiphon" else plugin.pid, signal.SIGKILL)
                mine = ""
                continue
            try:
                out.write(line)
            except BrokenPipeError:
                break
    code = plugin.wait()
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
