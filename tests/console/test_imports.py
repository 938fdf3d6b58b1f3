"""What opening the console loads before the first paint."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("boto3", "botocore", "docker", "gnupg", "prometheus_client", "prometheus_api_client")


def test_the_console_loads_no_heavy_module() -> None:
    program = "import sys, console.app; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "textual.app" in loaded
    assert not [name for name in HEAVY if name in loaded]
