"""`python -m tests.mutants`: make the mutants that are missing, run them, print a table."""

import argparse
import os
import sys

import pytest
from mutmut.__main__ import (
    copy_also_copy_files,
    copy_src_dir,
    create_mutants,
    setup_source_paths,
)
from mutmut.configuration import config

from tests.mutants.session import Mutants


def main() -> int:
    """Make the mutants that are missing, and run."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("patterns", nargs="*", help="names of mutants, such as judgeloop.schema.*")
    parser.add_argument("--sample", type=int, help="at most so many of each file")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests for a mutant")
    parser.add_argument("--again", action="store_true", help="also those that have a result")
    options = parser.parse_args()
    del sys.modules["tests"]  # pytest imports the copy that the mutants see
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(1)
    selection = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
    os.chdir("mutants")
    own = ["--rootdir=.", "--basetemp=../build/mutants-tmp", "-q", "-s"]
    return int(pytest.main([*own, *selection], plugins=[Mutants(options)]))


if __name__ == "__main__":
    sys.exit(main())
