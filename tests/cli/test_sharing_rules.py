"""`aed sharing-rules`: the rules of a region for agreements."""

from __future__ import annotations

from tests.cli.conftest import Aed


def test_the_rules_of_a_region_are_set_and_shown(aed: Aed) -> None:
    region = ("code=CN-33", "name_en=Zhejiang", "name_zh=浙江", "country=CN", "time_zone=Asia/Shanghai")
    aed("regions", "put", *region, "emergency_number=120")
    assert "all (defaults)" in aed("sharing-rules", "show", "CN-33").out
    aed("sharing-rules", "set", "region=CN-33", "min_ready_percent=95", "notice_days=60,7")
    shown = aed("sharing-rules", "show", "CN-33").out
    assert "7, 60" in shown
    assert "95.0" in shown
    refused = aed("sharing-rules", "set", "region=CN-33", "notice_days=soon", fails=True)
    assert "notice_days" in refused.err
