"""A first sync.yml from what two catalogs show: pure functions from catalogs to a proposal with its reasons."""

from antiphon.propose.entities import Ability, Proposal, propose
from antiphon.propose.streams import Stream, streams_of
from antiphon.propose.write import SidePart, meltano_name, write

__all__ = ["Ability", "Proposal", "SidePart", "Stream", "meltano_name", "propose", "streams_of", "write"]
