"""`python -m reenact` is the command `reenact`."""

import sys

from reenact.cli import main

sys.exit(main())
