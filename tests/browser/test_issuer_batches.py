"""A training officer sends results to the Red Cross, and reads which rows came back."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect

from aed import clock
from aed.accounts.permissions import Role
from aed.training.issuer_batches.actions import set_identity
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View


def test_a_batch_goes_out_and_some_of_it_comes_back(open_page: OpenPage, site: Site, view: View) -> None:
    at = clock.now()
    with site.database.write_sessions() as session, session.begin():
        region = make.region(session)
        code = f"hc-{at:%H%M%S%f}"  # the site is the same for all views
        issuer = make.issuer(
            session,
            code,
            region=region.code,
            name_en=f"Lake City Red Cross {at:%H%M%S}",
            name_zh=f"湖城红十字会 {at:%H%M%S}",
            also_called=[],
            batch_format=make.BATCH_FORMAT,
        )
        course = make.course(session, code, name_en="First aid", name_zh="初级救护员", issuer=issuer.name_en)
        names = ("王小明", "李雷", "韩梅梅")
        day = at - timedelta(days=3)
        _, people = make.passed_results(session, course, *names, starts_at=day)
        for each in people[:2]:
            set_identity(session, make.ADMINISTRATOR, each.id, holder_id="11010519491231002X", at=at)
        officer = make.person_with_role(session, Role.TRAINING_OFFICER, region=region)
        assert officer.person_id is not None
        key = make.sign_in(session, officer.person_id)
        path = f"/issuer-batches/{issuer.id}"

    desk = open_page(session_key=key)
    desk.goto("/training")
    desk.locator("a[href='/issuer-batches']").click()
    check(desk, view, "issuer-batches-issuers")
    desk.locator(f"a[href='{path}']").click()
    check(desk, view, "issuer-batches-new")
    desk.locator("#sessions summary").click()
    expect(desk.locator("#sessions")).to_contain_text("韩梅梅")
    desk.locator("#reference").fill("2031-05")
    desk.locator("form button.big").click()
    expect(desk.locator(".notice.good")).to_be_visible()
    check(desk, view, "issuer-batches-made")
    answer = "序号,姓名,证书编号,退回原因\n1,王小明,HC-2031-0001,\n2,李雷,,照片不清\n7,李雷,HC-2,\n"
    desk.locator("#file").set_input_files(
        {"name": "answer.csv", "mimeType": "text/csv", "buffer": answer.encode("gb18030")}
    )
    desk.locator("form button.block").click()
    expect(desk.locator("#came-back")).to_contain_text("照片不清")
    expect(desk.locator("#rows")).to_contain_text("HC-2031-0001")
    expect(desk.locator("#bad li")).to_have_count(1)
    check(desk, view, "issuer-batches-answered")
    desk.goto(path)
    expect(desk.locator("#batches")).to_contain_text("2031-05")
    check(desk, view, "issuer-batches-list")
    desk.context.close()
