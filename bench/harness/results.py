"""What was measured: rows, and the CSV and Markdown files made of them."""
import csv
import json
import os
import platform
import statistics
import subprocess
import time

COLUMNS = ("dataset", "device", "arm", "metric", "median", "min", "max", "unit")
# metric -> (title of its table, digits behind the point)
TITLES = {
    "prepare": ("Data preparation: text files to the cached data set, s", 3),
    "spmm": ("One full propagation, ms", 3),
    "spmm_rate": ("Bytes gathered by it, GB/s", 1),
    "spmm_share": ("That, of the measured gather ceiling, %", 0),
    "step": ("Training step, ms", 3),
    "step_ratio": ("Training step over Rankine's in the same round", 2),
    "epoch": ("Epoch, s", 3),
    "epoch_estimate": ("Epoch from its steps (too long to be measured), s", 2),
    "ranking": ("Full ranking of the test users, top 20, s", 3),
    "ranking_estimate": ("Full ranking from some of the users, s", 1),
    "memory_host": ("Peak memory of the process, MB", 0),
    "memory_device": ("Device memory allocated, MB", 0),
    "gather_fp32": ("Ceiling: random rows of the table's size, fp32, GB/s", 1),
    "gather_fp16": ("Ceiling: the same, fp16, GB/s", 1),
    "copy": ("Ceiling: copy of 256 MiB, read and written, GB/s", 1),
    "launch": ("Floor: an empty step, us", 2),
    "flops": ("Ceiling: fp32 multiply-adds, GFLOP/s", 0),
}


class Results:
    def __init__(self, dataset, device):
        self.dataset, self.device = dataset, device
        self.rows = []  # (arm, metric, values, unit), in order of the first value

    def add(self, arm, metric, value, unit):
        for row in self.rows:
            if row[:2] == (arm, metric):
                row[2].append(value)
                return
        self.rows.append((arm, metric, [value], unit))

    def values(self, arm, metric):
        for row in self.rows:
            if row[:2] == (arm, metric):
                return row[2]
        return []

    def median(self, arm, metric):
        values = self.values(arm, metric)
        return statistics.median(values) if values else None

    def add_ratios(self, metric, base):
        """Each arm's value over the base's of the same round."""
        reference = self.values(base, metric)
        for arm, name, values, _ in list(self.rows):
            if name == metric and len(values) == len(reference):
                for value, ours in zip(values, reference):
                    self.add(arm, metric + "_ratio", value / ours, "x")

    def table(self):
        """Rows of COLUMNS."""
        return [(self.dataset, self.device, arm, metric, statistics.median(values), min(values),
                 max(values), unit) for arm, metric, values, unit in self.rows]  # fmt: skip


def write_csv(path, rows):
    """rows: of Results.table, of one result or of several."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([*row[:4], *(f"{value:.6g}" for value in row[4:7]), row[7]])


def read_csv(path):
    """The rows of a file of Results as dictionaries, numbers as such."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for key in ("median", "min", "max"):
            row[key] = float(row[key])
    return rows


def output_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def built(run):
    """Version and revision of the Rankine that trained a run."""
    with open(f"{run}/environment.json", encoding="utf-8") as file:
        return json.load(file)["rankine"]


def machine():
    """One line about the machine."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    sets = [name for name in ("avx512f", "avx2") if name in fields.get("flags", "").split()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = (f"{fields.get('model name', platform.machine())}, {os.cpu_count()} cores"
            f"{' with ' + sets[0].upper() if sets else ''}, {memory:.0f} GiB, "
            f"load {os.getloadavg()[0]:.1f} at the start, {platform.system()} "
            f"{platform.release()}")  # fmt: skip
    gpu = output_of(["nvidia-smi", "--query-gpu=name,driver_version,memory.total",
                     "--format=csv,noheader"])  # fmt: skip
    return text + (f"; {gpu}" if gpu else "")


def glance(results):
    """The figures that most readers look for, an arm a line: Rankine's, then the others from the
    strongest on."""
    columns = (("step", 2), ("step_ratio", 2), ("epoch", 2), ("ranking", 2), ("memory_host", 0))
    titles = ("step, ms", "over Rankine's", "epoch, s", "full ranking, s", "host memory, MB")
    lines = ["", f"| arm | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    names = [arm for arm, metric, _, _ in results.rows if metric == "step"]
    others = [arm for arm in names if not arm.startswith("rankine")]
    others.sort(key=lambda arm: results.median(arm, "step"))  # the strongest leads
    for arm in [arm for arm in names if arm not in others] + others:
        cells = []
        for metric, digits in columns:
            value = results.median(arm, metric)
            estimate = results.median(arm, metric + "_estimate")
            if value is not None:
                cells.append(f"{value:.{digits}f}")
            else:
                cells.append("" if estimate is None else f"about {estimate:.{digits}f}")
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return lines


def operations(results, arm):
    """Where the time of a step goes, the longest first."""
    work = {}
    for name, metric, values, _ in results.rows:
        operation, dot, part = metric.rpartition(".")
        if name == arm and dot:
            work.setdefault(operation, {})[part] = statistics.median(values)
    if not work:
        return []
    lines = ["", f"| Operations of a step of {arm} | ms | share | MB | GB/s | GFLOP/s |",
             "|---|" + "---:|" * 5]  # fmt: skip
    total = sum(one["ms"] for one in work.values())
    for name, one in sorted(work.items(), key=lambda item: -item[1]["ms"]):
        seconds = one["ms"] / 1e3 or float("inf")
        lines.append(f"| {name} | {one['ms']:.4f} | {100 * one['ms'] / total:.1f} % | "
                     f"{one['bytes'] / 1e6:.3f} | {one['bytes'] / seconds / 1e9:.1f} | "
                     f"{one['flops'] / seconds / 1e9:.1f} |")  # fmt: skip
    return lines


def markdown_table(metric, rows):
    title, digits = TITLES[metric]
    lines = ["", f"| {title} | median | least | most |", "|---|---:|---:|---:|"]
    for row in rows:
        numbers = (f"{value:.{digits}f}" for value in row[4:7])
        lines.append(f"| {row[2]} | " + " | ".join(numbers) + " |")
    return lines


def markdown(results, facts, about, notes):
    """The result as a page; about: arm -> text, facts: lines before the tables."""
    table = results.table()
    lines = [f"# {results.dataset} on {results.device}, {time.strftime('%Y-%m-%d')}", ""]
    lines += facts + glance(results) + ["", "Everything, with the least and the most:"]
    for metric in TITLES:
        rows = [row for row in table if row[3] == metric]
        if rows:
            lines += markdown_table(metric, rows)
    for arm in dict.fromkeys(row[2] for row in table):
        lines += operations(results, arm)
    lines += ["", "| arm | what it is |", "|---|---|"]
    lines += [f"| {arm} | {text} |" for arm, text in about.items()]
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"
