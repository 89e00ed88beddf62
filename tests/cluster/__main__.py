"""`make cluster`, and what begins so: `-cells`, `-down`, `-faults`, `-drill`, `-soak`, `-upgrade`."""

from __future__ import annotations

import sys

from tests.cluster.cells import cells
from tests.cluster.drill import drill
from tests.cluster.faults import faults
from tests.cluster.hosts import ClusterError, down, inventory
from tests.cluster.monitoring import check_monitoring
from tests.cluster.soak import soak
from tests.cluster.up import up
from tests.cluster.upgrade import upgrade


def main() -> None:
    try:
        match sys.argv[1:]:
            case ["up"]:
                up()
                check_monitoring(inventory())
            case ["down"]:
                down()
            case ["cells"]:
                cells()
            case ["drill"]:
                drill()
            case ["soak"]:
                soak()
            case ["upgrade", *before]:
                upgrade(before[0] if before else None)
            case ["faults", *names]:
                faults(names)
            case _:
                sys.exit(
                    "usage: python -m tests.cluster up|down|cells|drill|faults [NAME…]|soak|upgrade [COMMIT]"
                )
    except ClusterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
