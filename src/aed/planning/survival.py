"""Two formulas of survival by delay, which serve to compare plans and are never a prognosis.

    Larsen 1993      67 - 2.3 t_CPR - 1.1 t_shock - 2.1 t_ACLS per cent, not below 0
    Valenzuela 1997  100 / (1 + exp(-0.260 + 0.106 t_CPR + 0.139 t_shock)) per cent

Minutes from the collapse. Larsen: Annals of Emergency Medicine 22:1652, abstract (1,667 arrests of King
County with heart disease and in ventricular fibrillation). Valenzuela: Circulation 96:3308, the simplified
model (205 arrests of Tucson and those 1,667, all witnessed and in ventricular fibrillation); its coefficients
as used since, by Erkut, Ingolfsson and Erdogan 2008, Naval Research Logistics 55:42. To be checked: neither
paper was at hand, and the abstracts give no intervals of the coefficients, so the two formulas stand for the
interval.

Both describe years before 1997: where a number of survivors is formed, arrests are first multiplied by the
share that was witnessed and is shockable (`aed.settings.planning.ArrestRates`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aed.settings.planning import Survival

CONSTANT: Final = -0.260
PER_MINUTE_TO_CPR: Final = 0.106
PER_MINUTE_TO_DEFIBRILLATION: Final = 0.139

type Seconds = NDArray[np.float64] | float


def larsen_survival(
    cpr_seconds: Seconds, shock_seconds: Seconds, acls_seconds: Seconds, numbers: Survival
) -> NDArray[np.float64]:
    """Return the percentage of patients who survive, by seconds from the collapse."""
    lost = (
        numbers.per_minute_to_cpr * np.asarray(cpr_seconds)
        + numbers.per_minute_to_shock * np.asarray(shock_seconds)
        + numbers.per_minute_to_acls * np.asarray(acls_seconds)
    )
    found: NDArray[np.float64] = np.maximum(0.0, numbers.at_once - lost / 60)
    return found


def valenzuela_survival(cpr_seconds: Seconds, shock_seconds: Seconds) -> NDArray[np.float64]:
    """Return the percentage of patients who survive to discharge, by seconds from the collapse."""
    exponent = (
        CONSTANT
        + PER_MINUTE_TO_CPR / 60 * np.asarray(cpr_seconds)
        + PER_MINUTE_TO_DEFIBRILLATION / 60 * np.asarray(shock_seconds)
    )
    found: NDArray[np.float64] = 100 / (1 + np.exp(exponent))
    return found
