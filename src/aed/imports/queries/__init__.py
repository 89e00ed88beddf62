"""Reading what is kept about other people's lists.

followed.py   the lists that are followed
records.py    sources, and what each last said of a device
standing.py   devices as they stand
asked.py      what a person is asked, and has answered
"""

from aed.imports.queries.asked import (
    open_reviews_raised_by,
    review,
    reviews,
    reviews_of_devices,
    reviews_of_records,
    shrink_review,
)
from aed.imports.queries.followed import feed, feeds, feeds_due
from aed.imports.queries.records import (
    Identity,
    Kept,
    Record,
    SourceCounts,
    count_live,
    devices_left,
    kept_records,
    missing_records,
    ranks,
    record,
    records_of,
    shared_devices,
    sources,
)
from aed.imports.queries.standing import (
    Standing,
    counts_ground_as_one,
    device_ids,
    devices_near,
    fitted_expiry,
    last_device_id,
    sources_of_devices,
    standing_devices,
)

__all__ = [
    "Identity",
    "Kept",
    "Record",
    "SourceCounts",
    "Standing",
    "count_live",
    "counts_ground_as_one",
    "device_ids",
    "devices_left",
    "devices_near",
    "feed",
    "feeds",
    "feeds_due",
    "fitted_expiry",
    "kept_records",
    "last_device_id",
    "missing_records",
    "open_reviews_raised_by",
    "ranks",
    "record",
    "records_of",
    "review",
    "reviews",
    "reviews_of_devices",
    "reviews_of_records",
    "shared_devices",
    "shrink_review",
    "sources",
    "sources_of_devices",
    "standing_devices",
]
