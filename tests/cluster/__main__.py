"""`make cluster`, `make cluster-down`."""

from __future__ import annotations

import sys

from tests.cluster.hosts import ClusterError, down
from tests.cluster.up import up


def main() -> None:
    try:
        {"up": up, "down": down}[sys.argv[1]]()
    except ClusterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
