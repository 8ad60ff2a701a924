"""A first sync.yml from what two catalogs show: pure functions from catalogs to a proposal with its reasons."""

from antiphon.propose.blocks import JOB, Blocks, Known, System, blocks, guess_systems, receipts_file, receiver
from antiphon.propose.entities import Ability, Proposal, propose
from antiphon.propose.insert import insert
from antiphon.propose.streams import Stream, streams_of
from antiphon.propose.write import SidePart, meltano_name, write

__all__ = [
    "JOB",
    "Ability",
    "Blocks",
    "Known",
    "Proposal",
    "SidePart",
    "Stream",
    "System",
    "blocks",
    "guess_systems",
    "insert",
    "meltano_name",
    "propose",
    "receipts_file",
    "receiver",
    "streams_of",
    "write",
]
