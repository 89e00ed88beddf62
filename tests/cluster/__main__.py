"""`make cluster`, `make cluster-down`, `make cluster-faults`."""

from __future__ import annotations

import sys

from tests.cluster.faults import faults
from tests.cluster.hosts import ClusterError, down
from tests.cluster.up import up


def main() -> None:
    try:
        match sys.argv[1:]:
            case ["up"]:
                up()
            case ["down"]:
                down()
            case ["faults", *names]:
                faults(names)
            case _:
                sys.exit("usage: python -m tests.cluster up | down | faults [NAME…]")
    except ClusterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
