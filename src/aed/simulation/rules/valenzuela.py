"""A second formula of survival, to see whether what is said of the ways of choosing hangs on the first.

    survival = 100 / (1 + exp(-0.260 + 0.106 t_CPR + 0.139 t_defibrillation)), minutes from the collapse

Valenzuela 1997, Circulation 96:3308 (the simplified model, of 1,872 arrests in Tucson and King County), as
Erkut, Ingolfsson and Erdogan 2008, Naval Research Logistics 55:42, write it out. It has no floor, and does
not depend on the ambulance but for bringing what is not there yet.

Limits: witnessed arrests in ventricular fibrillation, of before 1997; no prognosis.
"""

from __future__ import annotations

import math
from typing import Final

CONSTANT: Final = -0.260
PER_MINUTE_TO_CPR: Final = 0.106
PER_MINUTE_TO_DEFIBRILLATION: Final = 0.139


def valenzuela_survival(cpr_seconds: float, defibrillation_seconds: float) -> float:
    """Return the per cent who survive to discharge, by seconds from the collapse."""
    minutes_cpr, minutes_defibrillation = cpr_seconds / 60, defibrillation_seconds / 60
    return 100 / (
        1
        + math.exp(
            CONSTANT + PER_MINUTE_TO_CPR * minutes_cpr + PER_MINUTE_TO_DEFIBRILLATION * minutes_defibrillation
        )
    )
