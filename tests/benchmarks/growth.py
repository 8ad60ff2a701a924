"""How the cost of a round grows: with what changed, and hardly with how many links there are.

    python -m tests.benchmarks.growth --links 1000000

A table of the ledger's work of a round (`ledger_round`), in milliseconds at the median, by links and by changes. In the
last column stands the round in which nothing changed and both taps print everything (`noop_round`), which grows with
the links by nature, in seconds beyond the taps. All of it is time of the processor, which other work on the machine
changes less than time by the clock.
"""

from __future__ import annotations

from statistics import median

from antiphon.sync.run import bound
from tests.benchmarks.ledger_round import RECEIPTS, round_of
from tests.benchmarks.made import asked, machine, make
from tests.benchmarks.noop_round import round_of as noop_of
from tests.benchmarks.noop_round import taps_alone

CHANGES = (1, 10, 100, 1000)


def main() -> None:
    given = asked(__doc__, turns=9)
    sizes = [links for links in (given.links // 100, given.links // 10, given.links) if links > 2 * max(CHANGES)]
    heads = ["    links", *(f"{n:>5} changes, ms" for n in CHANGES), "nothing changed, s beyond the taps"]
    print(" | ".join(heads), flush=True)
    for links in sizes:
        made = make(links, given.folder)
        ledger = made.copy()
        mapping = bound(made.config, ledger, RECEIPTS)
        times = []
        for changes in CHANGES:
            turns = max(3, given.turns // max(1, changes // 100))
            times.append(median(round_of(made, ledger, mapping, changes, turn)[1] for turn in range(turns)))
        ledger.close()
        beyond = noop_of(made).processor - taps_alone(made).processor
        cells = [f"{links:>9,}", *(f"{1000 * taken:>17.1f}" for taken in times), f"{beyond:>8.2f}"]
        print(" | ".join(cells), flush=True)
    print(f"on {machine()}")


if __name__ == "__main__":
    main()
