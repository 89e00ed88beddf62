"""`python -m tests.bench.boards`: dispatcher's boards open on one process while incidents run.

1. Start `aed serve` on SQLite with the demo district, and open INCIDENTS incidents.
2. Open BOARDS boards: each follows the stream of events and asks for the page again as the browser's script
   does, 150 ms after an event and 10 s after the last time.
3. Every second, an answer is entered for a volunteer, for SECONDS.
4. Print the CPU time of the server, and how long after an answer was stored each board showed it.

AED_BENCH_BOARDS, AED_BENCH_INCIDENTS, AED_BENCH_SECONDS change the numbers.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx2

from aed.accounts.demo_people import DemoRole, demo_people
from aed.accounts.sessions import SESSION_COOKIE
from aed.geo import Position
from tests import make
from tests.browser.site import Site, running_site
from tests.make import east_of, north_of

BOARDS: Final = int(os.environ.get("AED_BENCH_BOARDS", "20"))
INCIDENTS: Final = int(os.environ.get("AED_BENCH_INCIDENTS", "10"))
SECONDS: Final = int(os.environ.get("AED_BENCH_SECONDS", "60"))
DEBOUNCE_SECONDS: Final = 0.15
POLL_SECONDS: Final = 10.0
MIDDLE: Final = Position(30.2925, 120.0990)
CALLED: Final = re.compile(r'value="(\d+):(asked|seen)"')


class Board(threading.Thread):
    """A board in a browser, without the browser."""

    def __init__(self, site: Site, cookies: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._client = httpx2.Client(base_url=site.address, cookies=cookies, timeout=60)
        self._is_news = threading.Event()
        self.is_over = False
        self.pages: list[tuple[float, str]] = []
        """Each page, and when it was there."""
        self.milliseconds: list[float] = []

    def run(self) -> None:
        threading.Thread(target=self._follow, daemon=True).start()
        while not self.is_over:
            begun = time.monotonic()
            page = self._client.get("/board", headers={"Accept": "text/html"}).raise_for_status().text
            self.milliseconds.append((time.monotonic() - begun) * 1000)
            self.pages.append((time.monotonic(), page))
            if self._is_news.wait(POLL_SECONDS):
                time.sleep(DEBOUNCE_SECONDS)  # as the script does
                self._is_news.clear()

    def _follow(self) -> None:
        while not self.is_over:
            with self._client.stream("GET", "/v1/incidents/live", timeout=600) as stream:
                for line in stream.iter_lines():
                    if line.startswith("event:") and not line.endswith("incident"):
                        self._is_news.set()
                    if self.is_over:
                        return


def open_incidents(client: httpx2.Client) -> None:
    """Open incidents in a grid around the demo's middle, as many as there are to be."""
    for number in range(INCIDENTS):
        here = east_of(north_of(MIDDLE, metres=150 * (number // 4)), metres=150 * (number % 4))
        report = {"place": f"{here.lat:.6f}, {here.lon:.6f}", "is_another_patient": "true", "minutes": "30"}
        answer = client.post("/board", data=report, follow_redirects=False)
        assert answer.status_code == 303, answer.text


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_pid(site: Site) -> int:
    """Return the process that listens at the site's port."""
    port = site.address.rpartition(":")[2]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"serve" in command and port.encode() in command:
                return int(entry.name)
    raise AssertionError("the server is not running")


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="aed-boards-") as folder,
        running_site(Path(folder), f"sqlite:///{folder}/aed.sqlite") as site,
    ):
        with site.database.write_sessions() as session, session.begin():
            key = make.sign_in(session, demo_people(session)[DemoRole.DISPATCHER])
        cookies = {SESSION_COOKIE: key}
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}
        desk = httpx2.Client(base_url=site.address, cookies=cookies, headers=headers, timeout=60)
        open_incidents(desk)
        boards = [Board(site, cookies) for _ in range(BOARDS)]
        for each in boards:
            each.start()
        time.sleep(5)  # long enough for all boards to load
        pid = server_pid(site)
        idle = cpu_seconds(pid)
        time.sleep(20)  # the measured time without answers
        idle = cpu_seconds(pid) - idle
        before, begun = cpu_seconds(pid), time.monotonic()
        stored: list[tuple[float, str]] = []
        while time.monotonic() - begun < SECONDS:
            page = boards[0].pages[-1][1]
            answered = {alert for _, alert in stored}
            free = [
                (card, found[1])
                for card in page.split("<article ")[1:]
                for found in CALLED.finditer(card)
                if found[1] not in answered
            ]
            if free:
                card, alert = free[0]
                number = re.findall(r'action="/board/(\d+)"', card)[0]
                form = {"do": "reply", "alert": alert, "reply": "decline"}
                desk.post(f"/board/{number}", data=form, follow_redirects=False)
                stored.append((time.monotonic(), alert))
            time.sleep(1)  # one answer a second
        cpu, elapsed = cpu_seconds(pid) - before, time.monotonic() - begun
        time.sleep(POLL_SECONDS)  # as the script polls
        report(boards, stored, cpu / elapsed, idle / 20)
        for each in boards:
            each.is_over = True


def report(boards: list[Board], stored: list[tuple[float, str]], busy: float, idle: float) -> None:
    late = []
    for at, alert in stored:
        for board in boards:
            shown = (
                moment
                for moment, page in board.pages
                if moment >= at - 1 and re.search(rf'value="{alert}:declined"', page)
            )
            moment = next(shown, None)
            late.append(max(0.0, moment - at) if moment is not None else POLL_SECONDS)
    pages = [each for board in boards for each in board.milliseconds]
    sys.stdout.write(
        f"{len(boards)} boards, {INCIDENTS} incidents, {len(stored)} answers, {len(pages)} pages\n"
        f"CPU of the server, of one core: {idle:.0%} idle, {busy:.0%} with an answer a second\n"
        f"page: p50 {median(pages):.0f} ms, p95 {quantiles(pages, n=20)[-1]:.0f} ms\n"
        f"an answer is on a board after: p50 {median(late):.2f} s, p95 {quantiles(late, n=20)[-1]:.2f} s\n"
    )


if __name__ == "__main__":
    main()
