"""The one place that knows PostGIS from SpatiaLite: columns, indexes, and the questions asked of places."""

from aed.database.spatial.asking import settled
from aed.database.spatial.columns import (
    WGS84,
    GeometryColumn,
    area,
    area_type,
    latitude,
    longitude,
    point,
    point_type,
    position_of,
    shape_of,
)
from aed.database.spatial.compiled import Compiled, compiled
from aed.database.spatial.nearest import Located, Nearest, Rings, nearest_first
from aed.database.spatial.schema import (
    add_geometry_column,
    create_nearest_index,
    create_partial_window_index,
    drop_partial_window_index,
    drop_spatial_table,
    prepare_database,
)
from aed.database.spatial.sieve import Sieve
from aed.database.spatial.statements import (
    constant,
    constants,
    one_of_told,
    told_keys,
    told_later,
    told_moment,
)
from aed.database.spatial.tiles import vector_tile
from aed.database.spatial.windows import Around, all_around, ids_near_each, inside_box, overlapping_box

__all__ = [
    "WGS84",
    "Around",
    "Compiled",
    "GeometryColumn",
    "Located",
    "Nearest",
    "Rings",
    "Sieve",
    "add_geometry_column",
    "all_around",
    "area",
    "area_type",
    "compiled",
    "constant",
    "constants",
    "create_nearest_index",
    "create_partial_window_index",
    "drop_partial_window_index",
    "drop_spatial_table",
    "ids_near_each",
    "inside_box",
    "latitude",
    "longitude",
    "nearest_first",
    "one_of_told",
    "overlapping_box",
    "point",
    "point_type",
    "position_of",
    "prepare_database",
    "settled",
    "shape_of",
    "told_keys",
    "told_later",
    "told_moment",
    "vector_tile",
]
