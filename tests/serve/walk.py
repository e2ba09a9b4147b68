#!/usr/bin/env python3
"""Walks the page of a run in Chromium as a person would, by mouse, keyboard and address.

    RANKINE=build/release/bin/rankine tests/serve/walk.py RUN --words "star wars" [--shots DIR]

RUN is one whose titles have the words at least three times, whose model answers lists with reasons
and knows similar items. Whatever the browser writes into its console is a failure. --shots keeps
pictures for a person to look at.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import browser
from server import Server

class Walk:
    def __init__(self, driver, shots):
        self.driver, self.shots = driver, shots

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((x) => x.textContent)",
            selector,
        )

    def until(self, what, true, seconds=10.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if true():
                return
            time.sleep(0.05)
        self.shot("failed")
        raise AssertionError(f"it never came to this: {what}\n{self.driver.page_source[-3000:]}")

    def titles(self, panel):
        return self.texts(f"#{panel} .title")

    def ready(self, panel):
        self.until(
            panel + " is there", lambda: self.titles(panel) and not self.all(f"#{panel}[aria-busy]")
        )

    def click(self, selector, at=0):
        element = self.all(selector)[at]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def address(self):
        return urllib.parse.urlsplit(self.driver.current_url).fragment

    def width(self):
        return self.driver.execute_script("return document.documentElement.scrollWidth")

    def shot(self, name):
        if self.shots:
            self.driver.save_screenshot(f"{self.shots}/{name}.png")

    def emulate(self, name, **what):
        self.driver.execute_cdp_cmd("Emulation." + name, what)


def find_and_like(w, words):
    """By the mouse."""
    w.ready("found")
    first = w.titles("found")
    w.click("#others")
    w.until("other items", lambda: w.titles("found") and w.titles("found") != first)
    w.click("#q")
    w.type(words)
    w.until(
        "the titles with these words",
        lambda: len(w.titles("found")) >= 3
        and all(
            all(word in title.casefold() for word in words.split()) for title in w.titles("found")
        ),
    )
    liked = w.titles("found")[:3]
    for i in range(3):
        w.click("#found .like", i)
    w.until("three likes", lambda: w.titles("likes") == liked)
    w.ready("best")
    w.until("an answer to all three", lambda: not set(w.titles("best")) & set(liked))
    assert len(w.titles("best")) > 0 and w.texts(
        "#best .why span"
    ), "recommendations without reasons"
    reasons = {text.split(" by ", 1)[-1] for text in w.texts("#best .why span")}
    assert reasons <= set(liked), f"a reason is none of the likes: {reasons - set(liked)}"
    pressed = w.texts("#found .like[aria-pressed=true]")
    assert len(pressed) == 3, pressed
    w.shot("likes")
    return liked


def look_at_similar(w):
    title = w.titles("best")[0]
    w.click("#best .title")
    w.ready("similar")
    assert w.texts("#similar h2") == ["Similar to " + title], w.texts("#similar h2")
    assert title not in w.titles("similar"), "an item is similar to itself"
    w.shot("similar")
    before = w.address()
    assert "item=" in before and w.address().count(",") == 2, before
    w.driver.back()
    w.until("no similar items any more", lambda: not w.all("#similar:not([hidden])"))
    w.driver.forward()
    w.ready("similar")


def come_back(w, base, liked):
    """The address holds everything."""
    address = w.driver.current_url
    w.driver.get(base + "/#")
    w.driver.get("about:blank")
    w.driver.get(address)
    w.ready("best")
    w.until("the likes of the address", lambda: w.titles("likes") == liked)
    w.ready("similar")
    assert w.all("#q")[0].get_property("value"), "the address forgot the search"


def be_a_user(w, user):
    w.click("#user")
    w.type(user)
    w.ready("mine")
    assert "already known" in " ".join(w.texts("#mine p")), w.texts("#mine p")
    w.shot("user")
    w.type("-nobody")
    w.until(
        "a sentence about an unknown user",
        lambda: "no such user" in " ".join(w.texts("#mine p")) and w.titles("mine"),
    )
    w.click("#user")
    w.type(*[Keys.BACKSPACE] * (len(user) + len("-nobody")))
    w.until("no user any more", lambda: not w.all("#mine:not([hidden])"))


def use_keys(w, words, liked):
    w.driver.execute_script("document.activeElement.blur()")
    w.type("/")
    assert (
        w.driver.switch_to.active_element.get_attribute("id") == "q"
    ), "/ does not lead to the search"
    w.type(Keys.ESCAPE)
    w.until(
        "items without a search",
        lambda: w.all("#others:not([hidden])") and w.texts("#found h2") == ["Some of the items"],
    )
    w.type(words)
    w.until(
        "found by keys", lambda: w.texts("#found h2") == ["Found"] and liked[0] in w.titles("found")
    )
    w.type(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    title = w.driver.switch_to.active_element.text
    assert title == w.titles("found")[0], f"the arrows lead to {title}"
    w.type("l")
    w.until("one like less", lambda: w.titles("likes") == [t for t in liked if t != title])
    w.type("l")
    w.until("it is liked again", lambda: sorted(w.titles("likes")) == sorted(liked))
    w.type(Keys.ENTER)
    w.until("similar items by Enter", lambda: w.texts("#similar h2") == ["Similar to " + title])
    w.type(Keys.ESCAPE)
    w.until("Esc closes them", lambda: not w.all("#similar:not([hidden])"))


def hold_a_phone(w, base):
    w.emulate("setDeviceMetricsOverride", **browser.PHONE)
    w.until("390 px", lambda: w.width() <= 390, 3)
    small = w.driver.execute_script(
        "return [...document.querySelectorAll('li button')].filter((b) => b.offsetParent && "
        "b.getBoundingClientRect().height < 24).length"
    )
    assert small == 0, f"{small} buttons are too small for a finger"
    w.driver.execute_script("scrollTo(0, 0)")
    w.shot("phone")
    w.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    paper = w.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(20, 24, 30)", f"not dark: {paper}"
    w.shot("dark")
    w.emulate("setEmulatedMedia", features=[])
    w.emulate("clearDeviceMetricsOverride")


def forget(w):
    w.click("#clear")
    w.until("no likes", lambda: not w.titles("likes") and not w.all("#best:not([hidden])"))
    assert "likes=" not in w.address()


def meet_oddities(w, base):
    """Addresses that somebody made up."""
    w.driver.get("about:blank")
    w.driver.get(
        base + "/#likes=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E,no-such-item&q=%E0%A4&user=%00"
    )
    w.ready("likes")
    w.until("strangers are shown as such", lambda: len(w.all("#likes .gone")) == 2)
    assert not w.all("img"), "a text became markup"
    w.all("#q")[0].send_keys("zzzzqqqq")
    w.until("nothing is found, and it says so", lambda: "No title" in " ".join(w.texts("#found p")))
    # Each unknown item is a 404, of which the browser itself writes a line.
    lines = [
        line
        for line in w.driver.get_log("browser")
        if "404 (Not Found)" not in line["message"] and "400 (Bad Request)" not in line["message"]
    ]
    assert not lines, lines


def bring_a_token(w, run, user):
    """A service that asks for its token, and keeps what somebody likes."""
    with tempfile.TemporaryDirectory() as folder:
        token, liked = f"{folder}/token", f"{folder}/liked.jsonl"
        with open(token, "w", encoding="ascii") as file:
            file.write("a-token-for-this-test-alone\n")
        with Server(run, "--token-file", token, "--feedback", liked) as server:
            w.driver.get(f"http://127.0.0.1:{server.port}/#user={user}")
            w.until("the page asks for the token", lambda: w.all("#key:not([hidden])"))
            assert not w.titles("found") and not w.titles("mine"), "answers without a token"
            w.click("#token")
            w.type("a-token-for-this-test-alone", Keys.ENTER)
            w.ready("found")
            w.ready("mine")
            assert not w.all("#key:not([hidden])"), "it still asks for the token"
            w.click("#found .like")
            w.ready("likes")
            w.until("the like is in the file", lambda: os.path.getsize(liked) > 0)
            with open(liked, encoding="utf-8") as file:
                line = json.loads(file.readline())
            item = w.all("#likes li")[0].get_attribute("data-item")
            assert (str(line["user"]), str(line["item"])) == (user, item), line
            w.driver.get("about:blank")
            assert server.stop() == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--words", default="star wars")
    parser.add_argument("--user", default="1")
    parser.add_argument("--shots")
    a = parser.parse_args()
    if a.shots:
        os.makedirs(a.shots, exist_ok=True)
    with Server(a.run) as server:
        base = f"http://127.0.0.1:{server.port}"
        driver = browser.start()
        try:
            w = Walk(driver, a.shots)
            driver.get(base + "/")
            liked = find_and_like(w, a.words)
            look_at_similar(w)
            come_back(w, base, liked)
            use_keys(w, a.words, liked)
            hold_a_phone(w, base)
            assert not driver.execute_script(
                "return performance.getEntriesByType('resource').filter((r) => "
                "new URL(r.name).origin !== location.origin).length"
            ), "something came from elsewhere"
            forget(w)
            lines = driver.get_log("browser")
            assert not lines, f"the console says: {lines}"
            be_a_user(w, a.user)
            driver.get_log("browser")  # of the unknown user, a 404
            meet_oddities(w, base)
            bring_a_token(w, a.run, a.user)
        finally:
            driver.quit()
        code = server.stop()
    print("the page: walked from end to end")
    return code


if __name__ == "__main__":
    sys.exit(main())
