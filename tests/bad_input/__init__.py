"""Bad input as a list of cases: what is given, and what a user sees. docs/bad-input.md shows it."""

from tests.bad_input.answers import ANSWERS
from tests.bad_input.case import Case, Outcome
from tests.bad_input.data_sets import DATA_SETS
from tests.bad_input.images import IMAGES
from tests.bad_input.models import MODELS
from tests.bad_input.rows import ROWS
from tests.bad_input.settings import SETTINGS
from tests.bad_input.sources import SOURCES

CASES = [*IMAGES, *ROWS, *DATA_SETS, *SOURCES, *ANSWERS, *SETTINGS, *MODELS]

__all__ = ["CASES", "Case", "Outcome"]
