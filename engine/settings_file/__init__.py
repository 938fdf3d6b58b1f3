"""The configuration file: found, checked, read and written.

load(file)      Settings, or ConfigurationError naming every problem
save(settings)  durable, mode 0600
"""

from __future__ import annotations

from engine.settings_file.load import build, load, locate, state_directory
from engine.settings_file.write import render, save, write_private

__all__ = ["build", "load", "locate", "render", "save", "state_directory", "write_private"]
