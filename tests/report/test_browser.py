"""Pages in a real headless browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from eznas.report import render
from eznas.report.comparison_page import comparison_page
from eznas.report.run_results import RunResults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--window-size=1300,900",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=5000",
    "--dump-dom",
)
PROBE = """<script>
window.problems = [];
addEventListener('error', event => problems.push(String(event.message || event.target.outerHTML).slice(0, 99)), true);
addEventListener('load', () => {
  document.querySelectorAll('details').forEach(part => part.open = true);
  document.documentElement.dataset.found = JSON.stringify({
    problems: problems,
    images: document.images.length,
    broken: [...document.images].filter(image => !image.complete || image.naturalWidth < 50).length,
    requests: performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !/^data:/.test(name)),
    overflow: document.documentElement.scrollWidth - innerWidth,
    sections: [...document.querySelectorAll('h2')].map(title => title.textContent),
    hidden: [...document.querySelectorAll('h2, table, img')].filter(part => part.offsetHeight < 5).length,
  });
});
</script>"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Open a page and return what a script in it finds, with the messages of the console."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no headless browser is installed: none of {', '.join(BROWSERS)} is on the PATH")
    folder = tmp_path_factory.mktemp("browser")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}

    def open_page(page: str) -> dict[str, Any]:
        path = folder / "page.html"
        path.write_text(page.replace("<head>", f"<head>{PROBE}", 1), encoding="utf-8")
        result = subprocess.run(
            [browser, *OPTIONS, f"--user-data-dir={folder / 'profile'}", path.as_uri()],
            capture_output=True, text=True, timeout=120, check=True, encoding="utf-8", env=environment,
        )  # fmt: skip
        match = re.search(r'data-found="(.*?)"', result.stdout)
        assert match, result.stderr
        found: dict[str, Any] = json.loads(html.unescape(match[1]))
        found["console"] = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
        return found

    return open_page


def check(found: dict[str, Any], images: int) -> None:
    assert (found["problems"], found["console"], found["requests"]) == ([], [], [])
    assert (found["images"], found["broken"], found["hidden"]) == (images, 0, 0)
    assert found["overflow"] <= 0


def test_the_page_of_an_evolution(
    opened: Callable[[str], dict[str, Any]], tmp_path: Path, finished_run: Callable[..., RunDirectory]
) -> None:
    directory = finished_run(tmp_path / "run", ["nasbench201/cifar10", "nats_sss/cifar10", "transnas_macro/jigsaw"])
    render(directory, pytest.fail)
    found = opened((directory.path / "report.html").read_text(encoding="utf-8"))
    check(found, 5 + 3)  # the plots of the run, and the scores on each task
    assert len(found["sections"]) == 12


def test_the_page_of_a_comparison(
    opened: Callable[[str], dict[str, Any]], tmp_path: Path, finished_run: Callable[..., RunDirectory]
) -> None:
    runs = {name: RunResults.read(finished_run(tmp_path / name, seed=seed)) for seed, name in enumerate("ab")}
    check(opened(comparison_page(runs)), 1)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ('<img src="data:image/png;base64,AAAA">', "broken"),
        ("<script>console.error('oh')</script>", "console"),
        ('<script src="https://example.org/a.js"></script>', "requests"),
    ],
)
def test_a_fault_is_noticed(opened: Callable[[str], dict[str, Any]], fault: str, name: str) -> None:
    assert opened(f"<!DOCTYPE html><html><head></head><body>{fault}</body></html>")[name]
