"""Style and script are asked for once: their addresses change when they do."""

from __future__ import annotations

import re

from flask.testing import FlaskClient


def test_a_page_names_files_that_browsers_may_keep_for_a_year(client: FlaskClient) -> None:
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text)
    assert {path.split("?")[0] for path in named} == {
        "/static/farm.css",
        "/static/live.js",
        "/static/mark.svg",
    }
    for path in named:
        assert "immutable" in client.get(path).headers["Cache-Control"]


def test_another_version_than_ours_is_not_kept(client: FlaskClient) -> None:
    for path in ("/static/farm.css", "/static/farm.css?v=000000000000"):
        assert client.get(path).headers["Cache-Control"] == "no-cache"
    assert client.get("/static/none.css?v=000000000000").status_code == 404
