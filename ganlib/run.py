"""The command `python -m ganlib.run`."""

import signal
import sys

from ganlib.runs.run import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is kept as well
    sys.exit(main())
