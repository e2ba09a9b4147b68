"""The pictures of a result, drawn from the rows of its CSV file."""
from harness.svg import FAINT, INK, Axis, Picture

OURS, THEIRS, LIBRARY, CEILING = "#0969da", "#bc4c00", "#1a7f37", "#8c959f"
PANELS = (
    ("step", "Training step, ms"),
    ("epoch", "Epoch, s"),
    ("ranking", "Full ranking of all test users, s"),
    ("spmm", "One propagation, ms"),
    ("memory_host", "Peak memory of the process, MB"),
    ("memory_device", "Device memory, MB"),
)


def colour(arm):
    if arm.startswith("rankine"):
        return OURS
    return {"ceiling": CEILING, "p3": LIBRARY}.get(arm, THEIRS if arm.startswith("p") else OURS)


def panel_rows(rows, metric):
    """Bars of a metric; an estimate stands in, marked, where an arm has no measurement."""
    bars = []
    for row in rows:
        estimate = row["metric"] == metric + "_estimate"
        if row["metric"] == metric or estimate:
            name = row["arm"] + (" (about)" if estimate else "")
            bars.append((name, row["median"], row["min"], row["max"], colour(row["arm"])))
    order = list(dict.fromkeys(row["arm"] for row in rows))
    return sorted(bars, key=lambda bar: order.index(bar[0].removesuffix(" (about)")))


def bars(rows, path):
    """Step, epoch, ranking, propagation and memory of every arm."""
    panels = [(title, panel_rows(rows, metric)) for metric, title in PANELS]
    panels = [(title, found) for title, found in panels if found]
    height = 70 + sum(58 + 23 * len(found) for _, found in panels)
    explained = "medians, whiskers from the least to the most; shorter is better"
    picture = Picture(760, height, f"{rows[0]['dataset']} on {rows[0]['device']}", explained)
    top = 66
    for title, found in panels:
        top += picture.bars(found, 16, top, 728, title, names=170)
    picture.write(path)


def find(rows, arm, metric):
    for row in rows:
        if row["arm"] == arm and row["metric"] == metric:
            return row["median"]
    return None


def operations(rows, arm="rankine"):
    """name -> {ms, bytes, flops} of the step's operations."""
    found = {}
    for row in rows:
        name, dot, part = row["metric"].rpartition(".")
        if row["arm"] == arm and dot:
            found.setdefault(name, {})[part] = row["median"]
    return found


def roofline(rows, path):
    """Operations by arithmetic intensity and speed under the measured ceilings. Operations without
    arithmetic have no place in it; those below a hundredth of the step are left out."""
    gather, copy = find(rows, "ceiling", "gather_fp32"), find(rows, "ceiling", "copy")
    peak, work_of = find(rows, "ceiling", "flops"), operations(rows)
    step = sum(work["ms"] for work in work_of.values())
    points = []
    for name, work in work_of.items():
        if work["flops"] > 0 and work["ms"] > step / 100:
            speed = work["flops"] / work["ms"] / 1e6
            points.append((work["flops"] / work["bytes"], speed, name, work["ms"]))
    if not points or not gather:
        return False
    left, right, top, bottom = 80, 560, 70, 430
    ridge = peak / min(gather, copy)
    x = Axis([point[0] for point in points] + [ridge * 3], left, right)
    y = Axis([point[1] for point in points] + [peak * 1.5], bottom, top)
    picture = Picture(840, 490, f"Operations of a step under the ceilings: {rows[0]['dataset']} "
                      f"on {rows[0]['device']}", "bytes as counted from the program: above a line "
                      "where caches spare some of them")  # fmt: skip
    picture.x_axis(x, top, bottom, "floating-point operations for each byte")
    picture.y_axis(y, left, right, "GFLOP/s")
    for rate, text in ((gather, "random rows"), (copy, "copy")):
        start, end = max(x.low, y.low / rate), peak / rate
        dash = "" if text == "random rows" else "6 4"
        picture.line(x.at(start), y.at(start * rate), x.at(end), y.at(peak), INK, 1.5, dash)
    picture.line(x.at(peak / max(gather, copy)), y.at(peak), right, y.at(peak), INK, 1.5)
    ceilings = (f"fp32 {peak:.0f} GFLOP/s; rows read at random {gather:.0f} GB/s; "
                f"copy {copy:.0f} GB/s (broken line)")  # fmt: skip
    picture.text(left + 8, y.at(peak) - 7, ceilings, 10, fill=FAINT)
    picture.labels([(x.at(a), y.at(b), f"{name}, {100 * ms / step:.0f} % of the step", OURS)
                    for a, b, name, ms in points], right + 12, top + 10, bottom)  # fmt: skip
    picture.write(path)
    return True


def growth(series, path, subtitle):
    """series: (title, [(edges, value)]): a panel each, beside the line of exact proportion through
    its last point."""
    width, height, columns = 300, 210, 2
    lines = -(-len(series) // columns)
    picture = Picture(60 + columns * (width + 70), 70 + lines * (height + 50),
                      "Growth with the number of edges", subtitle)  # fmt: skip
    for i, (title, points) in enumerate(series):
        left, top = 70 + i % columns * (width + 70), 84 + i // columns * (height + 50)
        first, (last, value) = points[0][0], points[-1]
        x = Axis([first, last], left, left + width)
        y = Axis([v for _, v in points] + [value * first / last], top + height - 40, top)
        picture.text(left, top - 8, title, 12, weight="bold")
        picture.x_axis(x, top, top + height - 40, "edges" if i // columns == lines - 1 else "")
        picture.y_axis(y, left, left + width)
        picture.line(x.at(first), y.at(value * first / last), x.at(last), y.at(value), CEILING,
                     1.5, "6 4")  # fmt: skip
        for (a, b), (c, d) in zip(points, points[1:]):
            picture.line(x.at(a), y.at(b), x.at(c), y.at(d), OURS, 2)
        for a, b in points:
            picture.circle(x.at(a), y.at(b), 4, OURS)
    picture.write(path)


LIBRARIES = {"rankine": OURS, "recbole": THEIRS, "implicit": LIBRARY, "lenskit": "#8250df"}


def peers(bench, path):
    """Of bench/peers: NDCG over the seconds of training of models that go by epochs, and bars of
    the seconds of the others."""
    curves = [(name, model) for name, model in bench.measured.items() if model.has_epochs]
    at_once = [(name, model) for name, model in bench.measured.items() if not model.has_epochs]
    width, height = 600, 230
    rows = len(curves) * (height + 70) + len(at_once) * 150
    picture = Picture(width + 190, 70 + rows, f"{bench.results.dataset} on {bench.results.device}",
                      "ndcg of each program's own lists over its seconds of training")  # fmt: skip
    top = 84
    for name, model in curves:
        draw_curves(picture, bench, name, model, 70, top, width, height)
        top += height + 70
    for name, model in at_once:
        bars = []
        for who in bench.qualities:
            library, _, of = who.partition(" ")
            seconds = bench.results.values(who, "fit")
            if of == name and seconds:
                text = f"{library}, ndcg {bench.qualities[who][-1]:.4f}"
                bars.append((text, bench.results.median(who, "fit"), min(seconds), max(seconds),
                             LIBRARIES[library]))  # fmt: skip
        top += picture.bars(bars, 16, top, width + 150, f"{model.title}: seconds to fit", names=190)
    picture.write(path)


def draw_curves(picture, bench, name, model, left, top, width, height):
    of = {who.partition(" ")[0]: curve for who, curve in bench.curves.items()
          if who.partition(" ")[2] == name}  # fmt: skip
    points = [point for curve in of.values() for point in curve]
    x = Axis([seconds for seconds, _ in points], left, left + width)
    y = Axis([ndcg for _, ndcg in points], top + height, top, log=False)
    picture.text(left, top - 8, f"{model.title}: ndcg@{bench.options.top}", 12, weight="bold")
    picture.x_axis(x, top, top + height, "seconds of training, logarithmic")
    picture.y_axis(y, left, left + width)
    for library, curve in of.items():
        at = [(x.at(seconds), y.at(ndcg)) for seconds, ndcg in curve]
        for (a, b), (c, d) in zip(at, at[1:]):
            picture.line(a, b, c, d, LIBRARIES[library], 2)
        for a, b in at:
            picture.circle(a, b, 2.5, LIBRARIES[library])
    ends = [(x.at(curve[-1][0]), y.at(curve[-1][1]), library, LIBRARIES[library])
            for library, curve in of.items()]  # fmt: skip
    picture.labels(ends, left + width + 14, top, top + height)
