"""A small writer of pictures: axes, bars with whiskers, lines and labelled points as SVG."""
import math
from xml.sax.saxutils import escape

FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"
INK, FAINT, GRID = "#1b1f24", "#59636e", "#d8dee4"


def number(value):
    """At most three digits, thousands as k, M, G."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(size, 1e4):
            return f"{value / size:.3g}{suffix}"
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 10000:
        digits = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
        text = f"{value:.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.2g}"


class Axis:
    """Maps [low, high] to [start, end]; a logarithmic one has its ticks at 1, 2 and 5."""

    def __init__(self, values, start, end, log=True):
        positive = [value for value in values if value > 0 or not log]
        low, high = (min(positive), max(positive)) if positive else (1, 10)
        self.start, self.end, self.log = start, end, log
        if log:
            self.low, self.high = low / 1.6, high * 1.3
        else:
            self.low, self.high = min(0, low), high * 1.05 or 1

    def at(self, value):
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        if not self.log:
            raw = (self.high - self.low) / 5
            step = 10 ** math.floor(math.log10(raw))
            step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= raw)
            first = math.ceil(self.low / step)
            return [i * step for i in range(first, math.floor(self.high / step) + 1)]
        decades = math.log10(self.high / self.low)
        factors = (1, 2, 5) if decades < 2.5 else (1,)
        found = []
        for exponent in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))):
            found += [factor * 10**exponent for factor in factors]
        found = [value for value in found if self.low <= value <= self.high]
        every = 1 + len(found) // 9
        return found[::every]


class Picture:
    def __init__(self, width, height, title, subtitle=""):
        self.width, self.height, self.parts = width, height, []
        self.parts.append(f"<rect width='{width}' height='{height}' fill='white'/>")
        self.text(16, 26, title, size=16, weight="bold")
        if subtitle:
            self.text(16, 46, subtitle, size=11, fill=FAINT)

    def text(self, x, y, text, size=12, anchor="start", fill=INK, weight="normal", turn=None):
        turned = f" transform='rotate({turn} {x:.1f} {y:.1f})'" if turn is not None else ""
        self.parts.append(
            f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' text-anchor='{anchor}' "
            f"fill='{fill}' font-weight='{weight}'{turned}>{escape(text)}</text>"
        )

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.0, dash=""):
        dashed = f" stroke-dasharray='{dash}'" if dash else ""
        self.parts.append(
            f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{stroke}' "
            f"stroke-width='{width}'{dashed}/>"
        )

    def rect(self, x, y, width, height, fill):
        self.parts.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0):.1f}' height='{height:.1f}' "
            f"fill='{fill}'/>"
        )

    def circle(self, x, y, radius, fill):
        self.parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:.1f}' fill='{fill}'/>")

    def x_axis(self, axis, top, bottom, label=""):
        for value in axis.ticks():
            x = axis.at(value)
            self.line(x, top, x, bottom, GRID)
            self.text(x, bottom + 14, number(value), size=10, anchor="middle", fill=FAINT)
        self.line(axis.start, bottom, axis.end, bottom, FAINT)
        if label:
            self.text((axis.start + axis.end) / 2, bottom + 30, label, 11, "middle", FAINT)

    def y_axis(self, axis, left, right, label=""):
        for value in axis.ticks():
            y = axis.at(value)
            self.line(left, y, right, y, GRID)
            self.text(left - 6, y + 4, number(value), size=10, anchor="end", fill=FAINT)
        self.line(left, axis.start, left, axis.end, FAINT)
        if label:
            x, y = left - 48, (axis.start + axis.end) / 2
            self.text(x, y, label, 11, "middle", FAINT, turn=-90)

    def bars(self, rows, left, top, width, title, names=130):
        """rows: (name, median, least, most, colour), one bar each, on a logarithmic axis where the
        bars differ much. Returns the height that it took."""
        row, gap, head = 18, 5, 24
        bottom = top + head + len(rows) * (row + gap)
        log = max(r[3] for r in rows) > 20 * min(r[2] for r in rows if r[2] > 0)
        axis = Axis([v for r in rows for v in r[1:4]], left + names, left + width - 60, log)
        self.text(left, top + 12, title + (", logarithmic" if log else ""), 12, weight="bold")
        self.x_axis(axis, top + head - 4, bottom)
        for i, (name, median, least, most, colour) in enumerate(rows):
            y = top + head + i * (row + gap)
            self.text(left + names - 8, y + 13, name, 11, "end")
            self.rect(axis.start, y, axis.at(median) - axis.start, row, colour)
            self.line(axis.at(least), y + row / 2, axis.at(most), y + row / 2, INK, 1.2)
            for end in (least, most):
                self.line(axis.at(end), y + 5, axis.at(end), y + row - 5, INK, 1.2)
            self.text(axis.at(max(median, most)) + 6, y + 13, number(median), 11)
        return bottom - top + 34

    def labels(self, points, x, low, high, size=11, step=15):
        """points: (px, py, text, colour): dots, and their names in a column at x between low and
        high, each as near to the height of its dot as its neighbours allow."""
        points = sorted(points, key=lambda point: point[1])
        heights = [point[1] for point in points]
        for i in range(1, len(heights)):
            heights[i] = max(heights[i], heights[i - 1] + step)
        over = max(0, heights[-1] - high) if heights else 0
        for i in range(len(heights) - 1, -1, -1):
            limit = high if i == len(heights) - 1 else heights[i + 1] - step
            heights[i] = max(low + i * step, min(heights[i] - (over if i == 0 else 0), limit))
        for (px, py, text, colour), y in zip(points, heights):
            self.line(px, py, x - 4, y, colour, 0.6)
            self.circle(px, py, 4, colour)
            self.text(x, y + 4, text, size, fill=INK)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f"<svg xmlns='http://www.w3.org/2000/svg' width='{self.width}' "
                f"height='{self.height}' viewBox='0 0 {self.width} {self.height}'>\n"
            )
            file.write("\n".join(self.parts) + "\n</svg>\n")
