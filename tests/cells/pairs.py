"""Two served installations of one table of cells, and their settings, for tests of linked accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from aed import clock
from aed.cells.table import CellTable, cell_table
from aed.database.session import Database, open_database, read_session, transaction
from aed.linked_accounts.jobs import notify_other_cells
from aed.linked_accounts.queries import links_of
from aed.settings import Settings
from aed.settings.cells import Cells
from aed.signatures import public_key_texts
from tests import forked, make
from tests.cells.tables import cell, keys_in, write_table
from tests.commands import environment, wait_until_answered
from tests.throwaway_postgres import free_port
from tests.web.conftest import HEADERS

BOXES = {
    "33": (118.0, 28.0, 119.0, 32.0),
    "34": (119.0, 28.0, 122.0, 32.0),
    "35": (122.0, 28.0, 124.0, 32.0),
}


def settings_of(folder: Path, base: Settings, **addresses: str) -> dict[str, Settings]:
    """Write a table of three cells; return the settings of each."""
    signed_by = write_table(
        folder / "cells.json",
        keys_in(folder, "signer"),
        *(
            cell(
                code, box, keys=public_key_texts(keys_in(folder, code)), address=addresses.get(f"a{code}", "")
            )
            for code, box in BOXES.items()
        ),
    )
    return {
        code: base.model_copy(
            update={
                "cells": Cells(file=folder / "cells.json", code=code, signed_by=signed_by),
                "signing_keys": folder / f"{code}-keys.json",
            }
        )
        for code in BOXES
    }


def table_of(settings: Settings) -> CellTable:
    table = cell_table(settings)
    assert table is not None
    return table


@dataclass(frozen=True)
class ServedCell:
    """A served installation."""

    address: str
    database: Database
    table: CellTable
    log: Path

    def ask(self, path: str, key: str, *, form: dict[str, str] | None = None) -> httpx2.Response:
        """Open a page as the person with this session key; with `form`, send its form."""
        headers = HEADERS | {"Cookie": f"__Host-aed={key}"}
        method = "GET" if form is None else "POST"
        return httpx2.request(
            method, self.address + path, data=form, headers=headers, timeout=60, follow_redirects=False
        )

    def page(self, path: str, key: str, *, form: dict[str, str] | None = None) -> str:
        """Return what `ask` answers, which must be a page or a redirect."""
        answer = self.ask(path, key, form=form)
        assert answer.status_code in (200, 303), answer.text
        return answer.text

    def tell(self) -> tuple[int, int]:
        return notify_other_cells(self.database, clock.now, table=self.table, seconds=30)

    def links(self, person_id: int) -> int:
        with read_session(self.database) as session:
            return sum(each.confirmed_at is not None for each in links_of(session, person_id))

    def new_person(self) -> tuple[int, str]:
        with transaction(self.database) as session:
            person_id = make.person(session).id
            return person_id, make.sign_in(session, person_id)


@contextmanager
def served_pair(
    folder: Path, database_urls: Sequence[str], hosts: Sequence[str] = ("127.0.0.1", "127.0.0.1")
) -> Iterator[list[ServedCell]]:
    """Serve the cells 33 and 34, each on its database and host."""
    where = {code: (host, free_port()) for code, host in zip(("33", "34"), hosts, strict=True)}
    addresses = {code: f"http://{host}:{port}" for code, (host, port) in where.items()}
    of_cells = settings_of(
        folder,
        Settings(access_log=False),
        **{f"a{code}": address for code, address in addresses.items()},
    )
    made = []
    with ExitStack() as stack:
        for (code, (host, port)), url in zip(where.items(), database_urls, strict=True):
            given = of_cells[code].model_copy(update={"database_url": url})
            database = open_database(given)
            stack.callback(database.close)
            log = folder / f"{code}.log"
            serve = ["serve", "--host", host, "--port", str(port)]
            process = forked.start(
                serve,
                cwd=folder,
                output=log,
                env=environment(
                    AED_DATABASE_URL=url,
                    AED_RUN_JOBS="false",
                    AED_SIGNING_KEYS=str(given.signing_keys),
                    AED_CELLS__FILE=str(given.cells.file),
                    AED_CELLS__CODE=code,
                    AED_CELLS__SIGNED_BY=given.cells.signed_by,
                ),
            )
            stack.callback(process.wait, timeout=300)
            stack.callback(process.terminate)
            made.append(
                (addresses[code], process, log, ServedCell(addresses[code], database, table_of(given), log))
            )
        for address, process, log, _cell in made:
            wait_until_answered(address, process, log)
        yield [each for *_, each in made]
