"""Snapshots over an object store and a cipher: the format of ARCHITECTURE.md, read and written."""

from engine.repository.choosing import choose, without_uncommitted
from engine.repository.inventory import Listing, ListingFile
from engine.repository.repository import Inventory, Opened, Repository, new_id

__all__ = [
    "Inventory",
    "Listing",
    "ListingFile",
    "Opened",
    "Repository",
    "choose",
    "new_id",
    "without_uncommitted",
]
