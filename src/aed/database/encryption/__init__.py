"""Numbers that only this program reads: sealed in the database, opened with keys that do not lie there.

ring.py      keys, sealing and opening, the blind index by which equal numbers are found
keys.py      where the keys come from: the environment, or a file
columns.py   the types of columns that are sealed
"""

from __future__ import annotations

from aed.database.encryption.columns import Sealed, SealedFields, index_of, keep_ring, ring_of
from aed.database.encryption.keys import ring_in
from aed.database.encryption.ring import KeyRing, Kind

__all__ = ["KeyRing", "Kind", "Sealed", "SealedFields", "index_of", "keep_ring", "ring_in", "ring_of"]
