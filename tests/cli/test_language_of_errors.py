"""Commands report errors in the language of the locale."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Aed


@pytest.mark.usefixtures("file_with_schema")
@pytest.mark.parametrize(
    ("locale", "sentence"),
    [
        ("zh_CN.UTF-8", "设备999999不存在，或您无权查看。"),
        ("C.UTF-8", "Device 999999 does not exist, or you may not see it."),
    ],
)
def test_an_error_is_in_the_language_of_the_locale(
    run: Aed, monkeypatch: pytest.MonkeyPatch, locale: str, sentence: str
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    assert sentence in run("devices", "show", "999999", fails=True).err
