"""The mini program in deploy/miniprogram: its files belong together, and its page asks and shows the lookup.

WeChat's own tools are not needed: Node.js runs the page's script with a small stand-in for `wx`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.geo import Datum, from_wgs84
from tests import make
from tests.make import PATIENT

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "miniprogram"
PAGE_FILES: Final = (".js", ".json", ".wxml", ".wxss")
TAGS: Final = {"view", "text", "button", "block"}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

HARNESS: Final = """
const calls = [];
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
global.App = () => {};
global.Page = (page) => {
  page.setData = function (change) { Object.assign(this.data, change); };
  global.page = page;
};
global.wx = {
  getLocation: (how) => {
    calls.push({ getLocation: how.type });
    given.here ? how.success(given.here) : how.fail({ errMsg: "getLocation:fail auth deny" });
  },
  request: (how) => {
    calls.push({ request: { url: how.url, data: how.data, timeout: how.timeout } });
    given.answer ? how.success(given.answer) : how.fail({ errMsg: "request:fail" });
  },
  makePhoneCall: (how) => calls.push({ makePhoneCall: how }),
  openLocation: (how) => calls.push({ openLocation: how }),
  stopPullDownRefresh: () => {},
};
require(process.argv[1] + "/app.js");
require(process.argv[1] + "/pages/index/index.js");
page.onLoad();
page.callEmergency();
if (page.data.devices.length > 0) page.openMap({ currentTarget: { dataset: { index: 0 } } });
process.stdout.write(JSON.stringify({ calls, data: page.data }));
"""


def run_page(**given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open the page; return what it asked of WeChat, by name, and its data."""
    done = subprocess.run(
        ["node", "-e", HARNESS, str(FOLDER)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    return {name: what for call in found["calls"] for name, what in call.items()}, found["data"]


def test_every_page_of_the_app_has_its_four_files_and_all_json_is_valid() -> None:
    app = json.loads((FOLDER / "app.json").read_text(encoding="utf-8"))
    for page in app["pages"]:
        assert [suffix for suffix in PAGE_FILES if not (FOLDER / f"{page}{suffix}").is_file()] == []
    for path in FOLDER.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    assert app["requiredPrivateInfos"] == ["getLocation"], "WeChat refuses undeclared uses of the location"
    assert "scope.userLocation" in app["permission"]
    assert (FOLDER / app["sitemapLocation"]).is_file()
    assert "secret" not in "".join(each.read_text(encoding="utf-8") for each in FOLDER.rglob("*.js*")).lower()


class _Markup(HTMLParser):
    """Reads a page's markup: its tags, their nesting, the functions and values that it names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.values: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("bind"):
                self.handlers.add(value or "")
            else:
                self.handle_data(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for expression in re.findall(r"\{\{(.*?)\}\}", data):
            without_words = re.sub(r"'[^']*'", "", expression)
            self.values |= set(re.findall(r"(?<![.\w])[a-z]\w*", without_words))


def test_the_markup_is_balanced_and_names_only_what_the_script_has() -> None:
    markup = _Markup()
    markup.feed((FOLDER / "pages/index/index.wxml").read_text(encoding="utf-8"))
    script = (FOLDER / "pages/index/index.js").read_text(encoding="utf-8")

    assert markup.open == []
    assert markup.tags <= TAGS
    assert {each for each in markup.handlers if not re.search(rf"^  {each}\(", script, re.MULTILINE)} == set()
    data = re.search(r"data: \{(.*?)\}", script)
    assert data is not None
    known = set(re.findall(r"(\w+):", data[1])) | {"item", "index", "reason"}
    assert markup.values - known == set()


@needs_node
@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.js")), ids=lambda path: path.name)
def test_each_script_parses(path: Path) -> None:
    subprocess.run(["node", "--check", str(path)], check=True)


@needs_node
def test_the_page_asks_and_shows_in_the_coordinates_of_wechat(client: TestClient, session: Session) -> None:
    place = make.north_of(PATIENT, metres=80)
    device = make.device(session, at=place, place_zh="门岗旁", audience="public")
    session.commit()
    (lat, lon), there = from_wgs84(PATIENT, Datum.GCJ02), from_wgs84(place, Datum.GCJ02)
    here = {"latitude": lat, "longitude": lon}
    asked, _ = run_page(here=here)
    assert asked["getLocation"] == "gcj02"
    request = asked["request"]
    assert request["url"].endswith("/v1/nearest")
    assert request["timeout"] <= 5_000

    answer = client.get("/v1/nearest", params=request["data"])
    assert answer.status_code == 200, answer.text
    asked, data = run_page(
        here=here,
        answer={"statusCode": answer.status_code, "data": answer.json()},
    )

    assert data["state"] == "answered"
    assert data["first"] == answer.json()["first_aid"]["zh"]
    assert [each["id"] for each in data["devices"]] == [device.id]
    assert "门岗旁" in data["devices"][0]["place"]
    assert "分钟" in data["devices"][0]["time"]
    assert asked["openLocation"]["latitude"] == pytest.approx(there[0], abs=1e-5)
    assert asked["openLocation"]["longitude"] == pytest.approx(there[1], abs=1e-5)
    assert asked["makePhoneCall"]["phoneNumber"] == "120"


@needs_node
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "未能获取位置"),
        ({"here": {"latitude": 30.2, "longitude": 120.1}}, "网络不通"),
        (
            {
                "here": {"latitude": 30.2, "longitude": 120.1},
                "answer": {"statusCode": 429, "data": {"detail": "请求过多"}},
            },
            "请求过多",
        ),
    ],
    ids=["denied", "offline", "refused"],
)
def test_without_an_answer_the_emergency_call_stays(given: dict[str, Any], words: str) -> None:
    asked, data = run_page(**given)
    assert data["state"] == "failed"
    assert words in data["problem"]
    assert "先拨打120" in data["first"]
    assert asked["makePhoneCall"]["phoneNumber"] == "120"
