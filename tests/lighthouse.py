"""Run Lighthouse on the first two pages, on a throttled phone: `make lighthouse`.

Starts a server with the demo district. Prints the scores and fails if one is below MIN_SCORE, if the page is
interactive later than MAX_SECONDS, or if it loads more than MAX_KILOBYTES. Reports are in .state/lighthouse.

The phone is Lighthouse's: a screen of 412 pixels, 150 ms of latency, 1.6 Mbit/s, a processor four times
slower than this one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from aed.upkeep.rules import short_number
from tests.chromium import PROGRAM

ROOT: Final = Path(__file__).parents[1]
LIGHTHOUSE: Final = ROOT / "deploy/lighthouse/node_modules/.bin/lighthouse"
REPORTS: Final = ROOT / ".state/lighthouse"
PAGES: Final = {"find-help": "/?lang=zh-CN", "device": f"/d/{short_number(23)}?lang=zh-CN"}
MIN_SCORE: Final = 95
MAX_SECONDS: Final = 1.5
MAX_KILOBYTES: Final = 60
CHROMIUM_FLAGS: Final = "--headless --no-sandbox --disable-gpu --disable-background-networking"


def main() -> int:
    if PROGRAM is None or not LIGHTHOUSE.exists():
        sys.exit("Chromium or Lighthouse is missing: run make lighthouse.")
    REPORTS.mkdir(parents=True, exist_ok=True)
    is_good = True
    with demo_server() as address:
        for name, path in PAGES.items():
            report = run(f"{address}{path}", REPORTS / f"{name}.json", PROGRAM)
            is_good = judge(path, report) and is_good
    return 0 if is_good else 1


@contextmanager
def demo_server() -> Iterator[str]:
    """Yield the address of a server on a database of its own with the demo district."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        address = f"http://127.0.0.1:{port}"
        environment = os.environ | {
            "AED_DATABASE_URL": f"sqlite:///{folder}/aed.sqlite",
            "AED_WALKING_NETWORK": f"{folder}/walking.npz",
            "AED_SIGNING_KEYS": f"{folder}/signing-keys.json",
            "AED_OUTBOX_SPOOL": f"{folder}/outbox",
            "AED_RUN_JOBS": "false",
            "AED_ACCESS_LOG": "false",
            "AED_PUBLIC_URL": address,
        }
        aed = [sys.executable, "-m", "aed"]
        subprocess.run([*aed, "demo"], env=environment, check=True, capture_output=True)
        server = subprocess.Popen(
            [*aed, "serve", "--port", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    httpx2.get(f"{address}/readyz", timeout=5).raise_for_status()
                    break
                except httpx2.TransportError:
                    time.sleep(0.1)  # until it listens
            yield address
        finally:
            server.terminate()
            server.wait(30)


def run(url: str, into: Path, chromium: str) -> dict[str, Any]:
    """Run Lighthouse once; return its report."""
    options = [
        "--quiet",
        "--only-categories=performance,accessibility",
        "--output=json",
        f"--output-path={into}",
        f"--chrome-flags={CHROMIUM_FLAGS}",
    ]
    environment = os.environ | {"CHROME_PATH": chromium}
    subprocess.run([LIGHTHOUSE, url, *options], check=True, env=environment)
    report: dict[str, Any] = json.loads(into.read_text(encoding="utf-8"))
    return report


def judge(path: str, report: dict[str, Any]) -> bool:
    """Print what a report says; return whether it is good enough."""
    scores = {name: round(100 * each["score"]) for name, each in report["categories"].items()}
    audits = report["audits"]
    seconds = audits["interactive"]["numericValue"] / 1000
    kilobytes = audits["total-byte-weight"]["numericValue"] / 1000
    words = ", ".join(f"{name} {score}" for name, score in scores.items())
    sys.stdout.write(f"{path}: {words}; interactive after {seconds:.2f} s; {kilobytes:.0f} kB\n")
    is_good: bool = (
        min(scores.values()) >= MIN_SCORE and seconds <= MAX_SECONDS and kilobytes <= MAX_KILOBYTES
    )
    if not is_good:
        for name, audit in audits.items():
            if audit.get("score") is not None and audit["score"] < 0.9:
                sys.stdout.write(f"  {name}: {audit.get('displayValue', audit['title'])}\n")
    return is_good


if __name__ == "__main__":
    sys.exit(main())
