"""`python -m pipelines` is the command `judgeloop`."""

import sys

from judgeloop.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
