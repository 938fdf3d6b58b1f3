"""Snapshots over an object store and a cipher: the format of ARCHITECTURE.md, read and written."""

from engine.repository.inventory import Listing, ListingFile
from engine.repository.repository import (
    Opened,
    Repository,
    choose,
    new_id,
    without_uncommitted,
)

__all__ = [
    "Listing",
    "ListingFile",
    "Opened",
    "Repository",
    "choose",
    "new_id",
    "without_uncommitted",
]
