"""Chromium without a window, for what looks at pages; CHROMIUM and CHROMEDRIVER name other ones."""

import os

from selenium import webdriver

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


def start():
    options = webdriver.ChromeOptions()
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1200,900",
        "--force-color-profile=srgb",
        "--lang=en-US",
    ):
        options.add_argument(word)
    options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
