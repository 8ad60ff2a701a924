"""What is promised in which situation: a table over what the plugins of a side can do, each line with its proof.

`antiphon doctor` shows the lines that hold for a sync, and `docs/guarantees.md` is made of all of them.
"""

from antiphon.promises.sides import Able, Standing
from antiphon.promises.situations import SITUATIONS, Promise, Situation, kept

__all__ = ["SITUATIONS", "Able", "Promise", "Situation", "Standing", "kept"]
