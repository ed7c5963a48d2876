"""The scores of a judge on a set of pairs, added up while its results are written."""

from __future__ import annotations

from collections.abc import Iterable

from judgeloop.evaluation.baselines import BaselineTally
from judgeloop.evaluation.floors import FloorTally
from judgeloop.evaluation.scorecard import Tally
from judgeloop.schema.records import ItemResult
from judgeloop.schema.results import Scores


class ScoreTally:
    """Adds up item results and compares them with blind baselines, with the memory of `Tally`."""

    def __init__(self) -> None:
        self._judge = Tally()
        self._baselines = BaselineTally()
        self._floors = FloorTally()

    def add(self, results: Iterable[ItemResult]) -> None:
        """Adds results.

        Raises:
            DataError: A result does not hold the lengths of the answers.
        """
        for result in results:
            self._judge.add(result)
            self._baselines.add(result)
            self._floors.add(result)

    def scores(self, pairs: str, protocol: str) -> Scores:
        """Returns the scores of the results added so far.

        Args:
            pairs: Content key of the pairs.
            protocol: Content key of how the judge was asked and its answers read.
        """
        return Scores(
            card=self._judge.scorecard(),
            pairs=pairs,
            protocol=protocol,
            baselines=self._baselines.scorecards(),
            below_floors=tuple(check for check in self._floors.checks() if not check.holds),
        )
