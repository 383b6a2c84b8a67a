"""The pages in a real browser: each as the first request of a fresh server, wide and narrow, light and dark.

Screenshots land in pytest's temporary folder (`browser*/`).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
REPO = Path(__file__).parents[2]
APP = REPO / "dashboards" / "app.py"
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no `chromium` on the path: install the system's package", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = {
    "": ("Overview", "is champion"),
    "metrics": ("Scenario metrics", "has the best AUC"),
    "lift": ("Order lift", "More orders are expected"),
    "quality": ("Data quality", "rows read ="),
}
# Streamlit asks for these below a page's path first, and the server has them at the root only.
EXPECTED_404 = ("_stcore/health", "_stcore/host-config")
PATIENCE_MS = 40_000


@contextmanager
def server(home: Path, log: Path) -> Iterator[str]:
    """A fresh Streamlit server on a free loopback port; gives its address and ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=REPO, env=os.environ | {"HINET_HOME": str(home)}, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
    words = log.read_text()
    assert "Traceback" not in words and "deprecat" not in words.lower(), words


@contextmanager
def leaving(tab) -> Iterator[None]:
    """Leave the page before its server ends: an open page rightly complains of a server that is gone."""
    yield
    tab.goto("about:blank")


def wait_until_healthy(address: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise TimeoutError(f"no answer from {address}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=CHROMIUM, headless=True, args=ARGUMENTS
        )
        yield context
        context.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture
def page(browser):
    """A tab that fails its test on a page error, a console error or a request that leaves the machine."""
    tab, complaints = browser.new_page(), []
    tab.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    tab.on("console", lambda line: complaints.append(f"console: {line.text} {line.location}") if is_bad(line) else None)
    tab.on("request", lambda one: complaints.append(f"outside: {one.url}") if is_outside(one.url) else None)
    yield tab
    tab.close()
    assert complaints == []


def is_bad(line) -> bool:
    return line.type == "error" and not any(part in str(line.location) for part in EXPECTED_404)


def is_outside(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def wait_until_ready(tab, heading: str) -> None:
    """The page's heading stands, its script has ended and nothing on it is stale."""
    sync_api.expect(tab.get_by_role("heading", level=1, name=heading)).to_be_visible(timeout=PATIENCE_MS)
    settled = '[data-testid="stApp"][data-test-script-state="notRunning"]'
    sync_api.expect(tab.locator(settled)).to_have_count(1, timeout=PATIENCE_MS)
    sync_api.expect(tab.locator('[data-stale="true"]')).to_have_count(0, timeout=PATIENCE_MS)
    assert tab.locator('[data-testid="stException"]').count() == 0


def wait_for_charts(tab) -> None:
    marks = tab.locator('[data-testid="stVegaLiteChart"] svg, [data-testid="stVegaLiteChart"] canvas')
    sync_api.expect(marks.first).to_be_visible(timeout=PATIENCE_MS)


def picture(tab, path: Path, width: int) -> None:
    """The whole page at a width: the window is made as high as the content."""
    tab.set_viewport_size({"width": width, "height": 900})
    tab.wait_for_timeout(700)
    height = tab.evaluate("document.querySelector('[data-testid=\"stMainBlockContainer\"]').scrollHeight")
    tab.set_viewport_size({"width": width, "height": min(int(height) + 80, 6000)})
    tab.wait_for_timeout(700)
    tab.screenshot(path=str(path))


@pytest.mark.parametrize("path", PAGES)
def test_first_request_of_a_fresh_server(page, filled_home, pictures, tmp_path, path):
    heading, sentence = PAGES[path]
    page.set_viewport_size({"width": 1280, "height": 900})
    with server(filled_home, tmp_path / "server.log") as address, leaving(page):
        page.goto(f"{address}/{path}?contract=tea")
        wait_until_ready(page, heading)
        sidebar = page.get_by_test_id("stSidebar")
        sync_api.expect(sidebar.get_by_text("data through 2026-03-14")).to_be_visible()
        sync_api.expect(sidebar.get_by_role("link", name="Order lift")).to_be_visible()
        sync_api.expect(page.get_by_text(sentence).first).to_be_visible()
        wait_for_charts(page)
        name = path or "overview"
        picture(page, pictures / f"{name}-1280.png", 1280)
        picture(page, pictures / f"{name}-390.png", 390)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0
        page.emulate_media(color_scheme="dark")
        page.reload()
        wait_until_ready(page, heading)
        wait_for_charts(page)
        picture(page, pictures / f"{name}-dark.png", 1280)


def test_states_choices_and_navigation(page, filled_home, bare_home, pictures, tmp_path):
    page.set_viewport_size({"width": 1280, "height": 900})
    with server(filled_home, tmp_path / "server.log") as address, leaving(page):
        page.goto(f"{address}/lift?contract=refused")
        wait_until_ready(page, "Order lift")
        sync_api.expect(page.get_by_text("Not estimable", exact=True).first).to_be_visible()
        picture(page, pictures / "lift-refused.png", 1280)
        page.goto(f"{address}/metrics?contract=tea&task=Order&show=Differences&metric=DROP")
        wait_until_ready(page, "Scenario metrics")
        sync_api.expect(page.get_by_text("Difference to Shared bottom").first).to_be_visible(timeout=PATIENCE_MS)
        assert "task=Order" in page.url and "show=Differences" in page.url and "DROP" not in page.url
        picture(page, pictures / "metrics-differences.png", 1280)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_test_id("stSidebar").get_by_role("link", name="Data quality").click()
        wait_until_ready(page, "Data quality")
    with server(bare_home, tmp_path / "bare.log") as address, leaving(page):
        page.goto(address)
        wait_until_ready(page, "Overview")
        picture(page, pictures / "overview-bare.png", 1280)
    with server(tmp_path, tmp_path / "nothing.log") as address, leaving(page):
        page.goto(f"{address}/quality")
        wait_until_ready(page, "Data quality")
        sync_api.expect(page.get_by_text("Nothing is published yet.").first).to_be_visible()
        picture(page, pictures / "quality-nothing.png", 1280)
