"""Opens the console as the command line does, on whatever terminal there is."""

from __future__ import annotations

import sys

from console.app import main

if __name__ == "__main__":
    sys.exit(main())
