"""Stands between Antiphon and a plugin, passes on every byte, and kills one of them at a given moment.

    saboteur.py PLUGIN [ARGUMENT…]

`KILL` in the environment names three things: the moment (`tap-record`, `tap-state` or `target-state`), the victim
(`tap`, `target` or `antiphon`), and a file that is made when it is killed.
The line that gives the moment is not passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

MARKS = {"tap-record": b'"type":"RECORD"', "tap-state": b'"type":"STATE"', "target-state": b'"bookmarks"'}


def main() -> int:
    """Run the plugin and end as it ends."""
    moment, victim, token = os.environ["KILL"].split(" ") if "KILL" in os.environ else ("", "", "")
    plugin = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
    mine = (
        moment
        if moment and moment.split("-")[0] in sys.argv[1].rpartition("/")[2] and "--discover" not in sys.argv
        else ""
    )
    if plugin.stdout is None:
        return 1
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as out:
        for line in plugin.stdout:
            if mine and MARKS[mine] in line.replace(b'": ', b'":'):
                Path(token).touch()
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
