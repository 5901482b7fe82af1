"""A real browser on the Prefect UI, as a person uses it. Nothing here imports Slipway."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_SECONDS = 90
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1400",
)


class Browser:
    """Chromium without a screen."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def find(self, xpath: str, seconds: float = PATIENCE_SECONDS) -> WebElement:
        """Return the first visible element of an XPath as soon as there is one."""
        found: WebElement = WebDriverWait(self.driver, seconds).until(
            lambda driver: next((one for one in driver.find_elements(By.XPATH, xpath) if one.is_displayed()), None),
            f"{xpath} is not on {self.driver.current_url}:\n{self.text()}",
        )
        return found

    def click(self, xpath: str) -> None:
        """Click on the first visible element of an XPath."""
        found = self.find(xpath)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def text(self) -> str:
        """Return what can be read on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def until_it_says(self, words: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Return what can be read on the page as soon as these words are there."""
        WebDriverWait(self.driver, seconds).until(
            lambda driver: words in self.text(), f"'{words}' is not on {self.driver.current_url}"
        )
        return self.text()

    def picture(self, file: Path, width: int = 1280, height: int = 1400) -> Path:
        """Write a picture of the page at this size of the window."""
        self.driver.set_window_size(width, height)
        assert self.driver.save_screenshot(str(file))
        return file


@contextmanager
def browser() -> Iterator[Browser]:
    """Open a browser with a profile of its own; it is closed at the end of the block."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "chromium is not installed: apt-get install chromium"
    assert driver, "chromedriver is not installed: apt-get install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    with TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        opened = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield Browser(opened)
        finally:
            opened.quit()
