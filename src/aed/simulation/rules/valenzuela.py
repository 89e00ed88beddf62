"""A second formula of survival, to check whether the results depend on the first one.

survival = 100 / (1 + exp(-0.260 + 0.106 t_CPR + 0.139 t_defibrillation)), minutes from the collapse

Valenzuela 1997, Circulation 96:3308 (the simplified model, of 1,872 arrests in Tucson and King County), as
given by Erkut, Ingolfsson and Erdogan 2008, Naval Research Logistics 55:42. It has no lower bound, and
depends on the ambulance only for what has not arrived before.

Limits: witnessed arrests in ventricular fibrillation, before 1997; not a prognosis.
"""

from __future__ import annotations

import math
from typing import Final

CONSTANT: Final = -0.260
PER_MINUTE_TO_CPR: Final = 0.106
PER_MINUTE_TO_DEFIBRILLATION: Final = 0.139


def valenzuela_survival(cpr_seconds: float, defibrillation_seconds: float) -> float:
    """Return the percentage of patients who survive to discharge, by seconds from the collapse."""
    minutes_cpr, minutes_defibrillation = cpr_seconds / 60, defibrillation_seconds / 60
    return 100 / (
        1
        + math.exp(
            CONSTANT + PER_MINUTE_TO_CPR * minutes_cpr + PER_MINUTE_TO_DEFIBRILLATION * minutes_defibrillation
        )
    )
