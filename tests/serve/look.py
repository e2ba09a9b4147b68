#!/usr/bin/env python3
"""Looks at HTML files in Chromium as people see them: on a desk and on a phone, in the light and in
the dark. What is wider than the window, hard to read or writes into the console is a failure.

    tests/serve/look.py FILE... [--shots DIR]

--shots keeps pictures for a person to look at. Needs tests/serve/requirements.txt.
"""

import argparse
import os
import sys

import browser

DESK = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
WINDOWS = {"desk": DESK, "phone": browser.PHONE}
LEAST_CONTRAST = 4.5  # WCAG 2.1, level AA

# Texts whose colour is too near to that of what they stand on, each once.
FAINT = """
const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const numbers = (colour) => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
        const colour = numbers(getComputedStyle(e).backgroundColor);
        if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
};
const found = new Set();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
    const element = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
    if (!text || !element.getClientRects().length) continue;
    if (element.closest("title, style")) continue;
    const style = getComputedStyle(element);
    const ink = numbers(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < arguments[0]) {
        const name = element.tagName + "." + element.getAttribute("class");
        found.add(contrast.toFixed(1) + " " + name + " " + text.slice(0, 30));
    }
}
return [...found];
"""


def look(driver, path, window, scheme, shot):
    """What is wrong, in sentences."""
    size = WINDOWS[window]
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    driver.get("file://" + os.path.abspath(path))
    driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    wrong = [entry["message"] for entry in driver.get_log("browser")]
    wide = driver.execute_script("return document.documentElement.scrollWidth")
    if wide > size["width"]:
        wrong.append(f"is {wide} wide in a window of {size['width']}")
    wrong += [f"faint: {text}" for text in driver.execute_script(FAINT, LEAST_CONTRAST)]
    if shot:
        high = driver.execute_script("return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", dict(size, height=min(high, 16000))
        )
        driver.save_screenshot(shot)
    return wrong


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--shots")
    arguments = parser.parse_args()
    if arguments.shots:
        os.makedirs(arguments.shots, exist_ok=True)
    failed = False
    driver = browser.start()
    try:
        for path in arguments.files:
            stem = os.path.splitext(path)[0].strip("/").replace("/", "-")
            for window in WINDOWS:
                for scheme in ("light", "dark"):
                    shot = arguments.shots and os.path.join(
                        arguments.shots, f"{stem}-{window}-{scheme}.png"
                    )
                    for what in look(driver, path, window, scheme, shot):
                        failed = True
                        print(f"{path}, {window}, {scheme}: {what}")
    finally:
        driver.quit()
    sys.exit(failed)


main()
