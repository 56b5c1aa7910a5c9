"""An operator goes through a report in a headless Chromium: looks, listens, judges, exports."""

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from padam.detection.reports.excerpts import excerpts_of
from padam.detection.reports.html_report import html_report
from padam.detection.verdicts import VERDICT_COLUMNS, document_id, read_verdicts
from tests.detection.review_kit import document_of, three_events, write_title

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine"
)
PATIENCE_S = 30
NAME = '=</script><script>document.title="x"</script> "q" \U0001f3ac.mov'
COMMENT = '=1+1, said "so",\nthen went on; naïve \U0001f60a'


class Operator:
    """One who sits before the report: looks, presses keys, clicks."""

    def __init__(self, driver: WebDriver, page: Path) -> None:
        self.driver = driver
        self.page = page

    def open(self, fragment: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get(self.page.as_uri() + fragment)

    def one(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def shown(self) -> list[str]:
        cards = self.driver.find_elements(By.CSS_SELECTOR, "article")
        return [card.get_attribute("id") for card in cards if card.is_displayed()]

    def judged(self) -> str:
        return self.one("#judged").text

    def audio(self, number: int, name: str):
        return self.driver.execute_script(
            f"return document.querySelector('#event-{number} audio').{name}"
        )

    def wait_for(self, condition) -> None:
        WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.02).until(lambda _: condition())

    def point_at_time(self, lane: int, time_s: float, end_s: float = 60.0) -> ActionChains:
        plot = self.driver.find_elements(By.CSS_SELECTOR, "#timeline .plot")[lane]
        offset = (time_s / end_s - 0.5) * plot.rect["width"]
        return ActionChains(self.driver).move_to_element_with_offset(plot, round(offset), 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run for root otherwise
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder / "downloads")}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    document = document_of(three_events(), file=NAME)
    title = write_title(folder / "title.wav", three_events())
    (folder / "report.html").write_text(html_report(document, excerpts_of(title, document)))
    return folder / "report.html"


@pytest.fixture
def driver(browser: WebDriver, page: Path) -> WebDriver:
    """The browser as if it had never seen the page."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get_log("browser")
    return browser


def test_an_operator_judges_a_title(driver: WebDriver, page: Path, folder: Path) -> None:
    operator = Operator(driver, page)
    operator.open()
    assert driver.title.startswith("=</script>"), "the name of the file is text"
    assert operator.shown() == ["event-1"]
    assert operator.judged() == "0 of 3 judged"

    operator.press(Keys.SPACE)
    operator.wait_for(lambda: operator.audio(1, "currentTime") > 0.2)
    head = operator.one("#event-1 .playhead").get_attribute("style")
    assert float(head.split("left:")[1].split("%")[0]) > 0
    operator.press(Keys.SPACE)
    assert operator.audio(1, "paused")
    assert operator.audio(1, "error") is None
    assert operator.audio(1, "duration") == pytest.approx(5.5, abs=0.05)
    operator.press(Keys.SPACE, "j")
    assert operator.shown() == ["event-2"]
    assert operator.audio(1, "paused"), "what is left falls silent"
    operator.press("k", Keys.ARROW_DOWN, Keys.ARROW_RIGHT, "j")
    assert operator.shown() == ["event-3"]
    operator.press(Keys.ARROW_UP)
    assert operator.shown() == ["event-2"]

    operator.one("#reviewer").send_keys("Ann")
    operator.press(Keys.ESCAPE, "2")
    assert operator.judged() == "1 of 3 judged"
    operator.press("s", "rain", Keys.ESCAPE, "c", COMMENT.replace("\U0001f60a", ""), Keys.ESCAPE)
    driver.execute_script(
        "const c = document.querySelector('#event-2 .comment'); c.value = arguments[0];"
        "c.dispatchEvent(new Event('input'))",
        COMMENT,
    )
    assert operator.shown() == ["event-2"], "letters in a field are text"
    operator.press("n")
    assert operator.shown() == ["event-3"]
    operator.press("3", "n")
    assert operator.shown() == ["event-1"]
    operator.press("1", "0")
    assert operator.judged() == "2 of 3 judged"

    operator.open("#event-2")
    assert operator.shown() == ["event-2"]
    assert operator.judged() == "2 of 3 judged", "a reload keeps the verdicts"
    assert operator.one("#event-2 input:checked").get_attribute("value") == "creative_intent"
    assert operator.one("#event-2 .comment").get_attribute("value") == COMMENT

    operator.one("#export").click()
    downloads = folder / "downloads"
    operator.wait_for(lambda: list(downloads.glob("verdicts_*.csv")))
    (file,) = downloads.glob("verdicts_*.csv")
    document = document_of(three_events(), file=NAME)
    assert document_id(document) in file.name
    table = pd.read_csv(file)
    assert tuple(table.columns) == VERDICT_COLUMNS
    assert table["event_id"].tolist() == [1, 2, 3]
    assert table["verdict"].fillna("").tolist() == ["", "creative_intent", "no_issue"]
    with file.open(encoding="utf-8-sig", newline="") as lines:
        raw = list(csv.DictReader(lines))
    assert raw[1]["comment"] == f"'{COMMENT}", "a spreadsheet would run it"
    rows = read_verdicts([file])
    assert rows["comment"][1] == COMMENT
    assert set(rows["title"]) == {NAME}
    assert rows["sub_category"].tolist() == ["", "rain", ""]
    assert set(rows["reviewer"]) == {"Ann"}
    assert pd.Timestamp(rows["reviewed_at"][1]).tz is not None
    assert rows["probability"][0] == 0.93
    assert pd.isna(rows["probability"][2])
    assert driver.get_log("browser") == []


def test_the_timeline_tells_scores_and_leads_to_events(driver: WebDriver, page: Path) -> None:
    operator = Operator(driver, page)
    operator.open()
    operator.point_at_time(1, 14.0).perform()
    reading = operator.one("#reading").text
    assert reading.startswith("00:00:1")
    assert "FL 0.100 · FR 0.900 · flagged" in reading
    operator.point_at_time(0, 50.0).click().perform()
    assert operator.shown() == ["event-3"]
    operator.point_at_time(1, 33.0).click().perform()
    assert operator.shown() == ["event-2"], "near is enough: it lasts half a second"
    operator.point_at_time(0, 25.0).click().perform()
    assert operator.shown() == ["event-2"], "there is none"
    operator.one("#list a[data-event='1']").click()
    assert operator.shown() == ["event-1"]
    # 1 s from the beginning of 5.5 s
    plot = operator.one("#event-1 .spectrum .plot")
    ActionChains(driver).move_to_element_with_offset(
        plot, round((1 / 5.5 - 0.5) * plot.rect["width"]), 0
    ).click().perform()
    operator.wait_for(lambda: operator.audio(1, "currentTime") > 0.5)
    assert operator.audio(1, "currentTime") == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_stands_out_of_the_page(driver: WebDriver, page: Path, width: int) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    operator = Operator(driver, page)
    operator.open()
    assert driver.execute_script("return innerWidth") == width
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert operator.one("#event-1 img").rect["width"] > 0.6 * min(width, 900)
    small = driver.execute_script(
        "return [...document.querySelectorAll('button, .choices label')]"
        ".filter((b) => b.offsetParent && b.offsetHeight < 40).map((b) => b.textContent)"
    )
    assert small == []


def test_a_browser_that_keeps_nothing_is_told_of(driver: WebDriver, page: Path) -> None:
    refuse = "Storage.prototype.setItem = () => { throw new DOMException('full'); };"
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    operator = Operator(driver, page)
    operator.open()
    assert not operator.one("#unkept").is_displayed()
    operator.press("1")
    assert "does not keep your verdicts" in operator.one("#unkept").text
    assert operator.judged() == "1 of 3 judged"
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
