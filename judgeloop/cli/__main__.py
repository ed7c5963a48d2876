"""`python -m judgeloop.cli` is the command `judgeloop`."""

import sys

from judgeloop.cli.main import main

sys.exit(main())
