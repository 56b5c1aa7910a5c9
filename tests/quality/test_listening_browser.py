"""A person takes the listening test, in a headless Chromium, by keyboard."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from padam.quality.listening_page import write_kit
from padam.quality.listening_results import read_results
from padam.quality.listening_test import TRAINING, ListeningTest
from tests.quality.listening_kit import make_pairs, small_test

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine"
)
PATIENCE_S = 30
SECONDS = 0.2

# What a person would hear: the channels of a tone, here cut short, and the files that are played.
EARS = """
  window.heardTones = [];
  window.heardFiles = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function () {
    heardTones.push([0, 1].map((n) => this.buffer.getChannelData(n).some((x) => x !== 0)));
    return start.call(this, 0, 0, 0.1);
  };
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    heardFiles.push(this.src);
    return play.apply(this);
  };
"""
SIDES = {(True, False): "left", (False, True): "right", (True, True): "both"}


class Listener:
    """One who sits before the page: looks, listens, types."""

    def __init__(self, driver: WebDriver, page: Path) -> None:
        self.driver = driver
        self.page = page

    def open(self) -> None:
        self.driver.get(self.page.as_uri())

    def see(self, name: str) -> str:
        """Text of the element with this id, empty while it is not shown."""
        return self.driver.find_element(By.ID, name).text

    def is_on(self, screen: str) -> bool:
        return self.driver.find_element(By.ID, screen).is_displayed()

    def can_use(self, selector: str) -> bool:
        return self.driver.find_element(By.CSS_SELECTOR, selector).is_enabled()

    def wait_for(self, condition) -> None:
        WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.02).until(lambda _: condition())

    def click(self, name: str) -> None:
        self.driver.find_element(By.ID, name).click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def sign_in(self, name: str) -> None:
        field = self.driver.find_element(By.ID, "listener")
        field.clear()
        field.send_keys(name, Keys.ENTER)

    def hear_tones(self, wrong: bool = False) -> None:
        """Play every tone and say where it was, or where it was not."""
        while self.is_on("headphones"):
            self.click("tone")
            self.wait_for(lambda: self.can_use("#sides button"))
            heard = tuple(self.driver.execute_script("return heardTones.at(-1)"))
            side = SIDES[heard]
            if wrong:
                side = "left" if side == "right" else "right"
            self.driver.find_element(By.CSS_SELECTOR, f"[data-side={side}]").click()

    def rate(self, score: int) -> None:
        """Listen to the end, rate, and go on, all by keyboard."""
        place = self.see("place")
        self.press(Keys.SPACE)
        self.wait_for(lambda: self.can_use("#scores input"))
        self.press(str(score))
        self.wait_for(lambda: self.can_use("#next"))
        self.press(Keys.ENTER)
        self.wait_for(lambda: self.see("place") != place)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run for root otherwise
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(tmp_path / "downloads")}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": EARS})
    yield driver
    driver.quit()


def order_of(test: ListeningTest, listener: str) -> list[str]:
    """Items in the order that a listener gets: practice first, each part by a hash."""

    def ordered(items: pd.Series) -> list[str]:
        return sorted(items, key=lambda item: mixed(fnv1a(f"{test.test_id}/{listener}/{item}")))

    training = test.key["kind"] == TRAINING
    items = test.key["item"]
    return ordered(items[training]) + ordered(items[~training])


def fnv1a(text: str) -> int:
    """The 32-bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return value


def mixed(value: int) -> int:
    """The finaliser of MurmurHash3, 32 bits."""
    value = (value ^ value >> 16) * 0x85EBCA6B % 2**32
    value = (value ^ value >> 13) * 0xC2B2AE35 % 2**32
    return value ^ value >> 16


def test_the_hash_is_the_published_one() -> None:
    assert [fnv1a(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
    assert [mixed(value) for value in (0, 1)] == [0, 0x514E28B7]


def test_orders_of_listeners_are_spread_evenly() -> None:
    test = small_test(make_pairs(12), clips=10)
    firsts = pd.Series([order_of(test, f"listener-{n}")[2] for n in range(600)]).value_counts()
    assert len(firsts) == 12
    # chi-square with 11 degrees of freedom exceeds 31.3 once in a thousand
    assert float((firsts - 50).pow(2).sum() / 50) < 31.3


@needs_browser
def test_a_listener_goes_through_the_test(driver: WebDriver, tmp_path: Path) -> None:
    test = small_test(make_pairs(seconds=SECONDS), clips=3)
    person = Listener(driver, write_kit(tmp_path, test))
    order = order_of(test, "anna")
    scores = [4, 2, 5, 1, 3, 2]

    person.open()
    assert person.is_on("start")
    person.sign_in("=anna")
    assert "letters, digits" in person.see("listener-error")
    person.sign_in(" Anna ")
    assert person.is_on("headphones")
    person.hear_tones()
    assert person.is_on("scale")
    person.click("to-trials")

    assert person.see("place") == "Practice 1 of 2"
    person.press("3")
    assert "Not yet" in person.see("status")
    assert not person.can_use("#next"), "it was not heard"
    person.rate(scores[0])
    person.rate(scores[1])
    assert person.is_on("ready")
    person.click("to-rating")
    assert person.see("place") == "Clip 1 of 4"
    person.rate(scores[2])

    person.open()
    assert person.is_on("start")
    assert "1 of 4 clips are rated" in person.see("resume")
    person.press(Keys.ENTER)
    assert person.see("place") == "Clip 2 of 4"
    person.rate(scores[3])
    person.press(Keys.SPACE)
    person.click("pause")
    assert "2 of 4 clips are rated" in person.see("so-far")
    person.click("save-part")
    person.click("continue")
    assert person.see("place") == "Clip 3 of 4"
    for score in scores[4:]:
        person.rate(score)

    assert person.is_on("end")
    text = driver.find_element(By.ID, "results").get_attribute("value")
    person.click("save")
    name = f"ratings_{test.test_id}_anna"
    downloads = tmp_path / "downloads"
    person.wait_for((downloads / f"{name} (1).csv").exists)
    part, whole = downloads / f"{name}.csv", downloads / f"{name} (1).csv"
    assert whole.read_text() == text
    assert len(read_results(part, test.key)) == 4

    ratings = read_results(whole, test.key)
    named = test.key.set_index("item").loc[order]
    assert ratings["clip"].tolist() == named["clip"].tolist()
    assert ratings["kind"].tolist() == named["kind"].tolist()
    assert ratings["score"].tolist() == scores
    assert ratings["trial"].tolist() == list(range(1, len(order) + 1))
    assert ratings["session"].tolist() == [1] * 3 + [2] * (len(order) - 3)
    assert set(ratings["listener"]) == {"anna"}
    assert (ratings["seconds"] >= 0.8 * SECONDS).all()
    heard = driver.execute_script("return heardFiles")
    assert list(dict.fromkeys(Path(url).stem for url in heard)) == order[3:]
    assert driver.get_log("browser") == []


@pytest.mark.slow
@needs_browser
def test_who_fails_the_headphones_check_tries_again(driver: WebDriver, tmp_path: Path) -> None:
    person = Listener(driver, write_kit(tmp_path, small_test()))
    person.open()
    person.sign_in("max")
    person.hear_tones(wrong=True)
    assert person.is_on("headphones-failed")
    assert "You placed 0 of 5" in person.see("tone-result")
    person.open()
    person.sign_in("max")
    assert person.is_on("headphones"), "a reload is no way round"
    person.hear_tones(wrong=True)
    person.click("retry")
    person.hear_tones()
    assert person.is_on("scale")


@pytest.mark.slow
@needs_browser
def test_one_file_in_a_browser_that_keeps_nothing(driver: WebDriver, tmp_path: Path) -> None:
    refuse = "Storage.prototype.setItem = () => { throw new DOMException('full'); };"
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    page = {"inline_audio": True, "headphones_check": False, "break_after_min": 1e-6}
    test = small_test(clips=2, **page)
    person = Listener(driver, write_kit(tmp_path, test))
    person.open()
    assert not person.see("unkept")
    person.sign_in("zoe")
    assert "does not keep your ratings" in person.see("unkept")
    person.click("to-trials")
    order = order_of(test, "zoe")
    for number in range(len(order)):
        person.click("play")
        person.wait_for(lambda: person.can_use("#scores input"))
        driver.find_elements(By.CSS_SELECTOR, "#scores label")[number].click()
        person.click("next")
        if number < len(order) - 1:
            assert "please rest" in person.see("break-due")
            person.click("continue")
        if person.is_on("ready"):
            person.click("to-rating")
    assert person.is_on("end")
    results = tmp_path / "copied.csv"
    results.write_text(driver.find_element(By.ID, "results").get_attribute("value") or "")
    ratings = read_results(results, test.key)
    assert ratings["score"].tolist() == [5, 4, 3, 2][: len(order)]
    assert ratings["clip"].tolist() == test.key.set_index("item").loc[order, "clip"].tolist()


@pytest.mark.slow
@needs_browser
def test_a_missing_file_is_named(driver: WebDriver, tmp_path: Path) -> None:
    test = small_test(headphones_check=False)
    person = Listener(driver, write_kit(tmp_path, test))
    item = order_of(test, "kim")[0]
    (tmp_path / "audio" / f"{item}.flac").unlink()
    person.open()
    person.sign_in("kim")
    person.click("to-trials")
    person.wait_for(lambda: person.see("play-error"))
    assert f"audio/{item}.flac" in person.see("play-error")
    person.press(Keys.SPACE)
    assert not person.can_use("#next")
