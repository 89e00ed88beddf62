"""Routes of yearly statistics."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.debrief.statistics import queries
from aed.debrief.statistics.formats import MEDIA_TYPES, TableFormat, written
from aed.debrief.statistics.rules import CountedKind
from aed.debrief.statistics.schemas import CasesOut, StatisticsOut
from aed.http.parameters import OfRegion

router = APIRouter(tags=["statistics"])

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            MEDIA_TYPES[TableFormat.CSV].partition(";")[0]: _FILE,
            MEDIA_TYPES[TableFormat.XLSX]: _FILE,
        }
    }
}
Year = Annotated[
    int, Query(ge=2000, le=2100, description="Calendar year at the patient's location", examples=[2026])
]
OfKind = Annotated[CountedKind, Query(description="Real incidents or exercises")]
Form = Annotated[TableFormat, Query(alias="format")]


@router.get("/statistics", response_model=StatisticsOut, responses=_FORMS)
def get_yearly_statistics(
    session: ReadSession,
    viewer: ViewerDep,
    year: Year,
    region: OfRegion = None,
    kind: OfKind = CountedKind.REAL,
    for_publication: Annotated[
        bool, Query(description="Round small counts for dispatchers too, so that the result can be passed on")
    ] = False,
    form: Form = TableFormat.JSON,
) -> Response:
    """Get a year of cardiac arrests by the Utstein template of 2014: counts, outcomes, intervals,
    completeness.

    Dispatchers and administrators of the regions see every count. For other people who are signed in, counts
    below 5 are hidden and all others rounded to 5.
    """
    asked = queries.YearQuery(year, kind, region)
    shown = StatisticsOut.of(queries.year_in_numbers(session, viewer, asked, for_publication=for_publication))
    return _answer(shown, form, f"statistics-{year}")


@router.get("/statistics/cases", response_model=CasesOut, responses=_FORMS)
def list_anonymous_cases(
    session: ReadSession,
    viewer: ViewerDep,
    year: Year,
    region: OfRegion = None,
    kind: OfKind = CountedKind.REAL,
    form: Form = TableFormat.JSON,
) -> Response:
    """List the cases of a year, a row each, with age bands, months and regions, and without names or incident
    ids.

    For dispatchers and administrators of the regions. Single rows may still be recognised by people who were
    there: do not publish them.
    """
    asked = queries.YearQuery(year, kind, region)
    shown = CasesOut.of(asked, queries.cases_of_year(session, viewer, asked))
    return _answer(shown, form, f"cases-{year}")


def _answer(shown: StatisticsOut | CasesOut, form: TableFormat, name: str) -> Response:
    headers = {"Cache-Control": "private, no-store"}
    if form is not TableFormat.JSON:
        headers["Content-Disposition"] = f'attachment; filename="aed-{name}.{form.value}"'
    return Response(written(shown, form), media_type=MEDIA_TYPES[form], headers=headers)
