"""The demo: a small shop that is backed up, destroyed and brought back. `make demo` shows it."""
