#!/usr/bin/env python3
"""Reproduces the table of results, row by row of configs/results/rows.csv.

usage: results.py --data DIR [--runs DIR] [--program rankine] [--table FILE] [--list] [ROW...]

DIR holds one folder per data set, named as in the column `data`. A finished row is not trained
again, an interrupted one continues. The table so far is printed at the end and written to
RUNS/results.md. Exit code 1 if a row misses its target.
"""
import argparse
import csv
import json
import math
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = os.path.join(ROOT, "configs", "results", "rows.csv")


def read_rows(table):
    with open(table, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def folder_of(row, options):
    return os.path.join(options.runs, row["row"])


def members_of(row, rows):
    """The rows whose runs an ensemble averages."""
    names = (row.get("members") or "").split()
    by_name = {r["row"]: r for r in rows}
    for name in names:
        if name not in by_name:
            sys.exit(f"{row['row']}: its member {name} is no row")
    return [by_name[name] for name in names]


def with_members(chosen, rows):
    """The chosen rows, each behind its members."""
    ordered = []
    for row in chosen:
        for one in members_of(row, rows) + [row]:
            if one not in ordered:
                ordered.append(one)
    return ordered


def command_of(row, options, rows):
    """The command of a fresh run, as in docs/results.md."""
    command = [options.program, "train", os.path.join("configs", "results", row["config"])]
    command += ["--data", os.path.join(options.data, row["data"])]
    settings = (row.get("settings") or "").split()
    members = [folder_of(member, options) for member in members_of(row, rows)]
    if members:
        settings.append("model.members=[" + ", ".join(members) + "]")
    for setting in settings:
        command += ["--set", setting]
    if int(row["seeds"]) > 1:
        command += ["--seeds", row["seeds"]]
    return command + ["--run", folder_of(row, options)]


def run(row, options, rows):
    folder = folder_of(row, options)
    if os.path.exists(os.path.join(folder, "report.json")):
        print(f"{row['row']}: finished before, {folder}", flush=True)
        return
    command = command_of(row, options, rows)
    if os.path.exists(os.path.join(folder, "config.yaml")):
        command.append("--resume")
    print("$ " + shlex.join(command), flush=True)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code != 0:
        sys.exit(f"{row['row']}: the run ended with exit code {code}")


def spread(value):
    """(mean, sd) of a metric: a number, or an object in a report of several seeds."""
    return (value["mean"], value["sd"]) if isinstance(value, dict) else (value, None)


def seconds_of(report, what):
    """Seconds of the run, or of a seed; NaN in reports that do not have them."""
    return spread(report["timing"].get(what, math.nan))[0]


def line_of(row, options):
    """A row of the table and whether it reaches its target; None if it was not run."""
    folder = folder_of(row, options)
    try:
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
    except FileNotFoundError:
        return None
    shown, before = [], []
    again = report.get("refit") or {}
    again = again.get("test", again)  # of one run, or of several seeds
    for metric in row["metrics"].split():
        mean, sd = spread(again[metric] if again else report["test"][metric])
        popularity = spread(report["popularity"]["test"][metric])[0]
        shown.append((metric, f"{mean:.4f}" + (f" ± {sd:.4f}" if sd is not None else ""),
                      f"{popularity:.4f}", mean))
        if again:
            before.append(f"{spread(report['test'][metric])[0]:.4f}")
    wanted = float(row["least"]) if row["least"] else None
    reached = wanted is None or shown[0][3] >= wanted
    names, models, popularities = (", ".join(s[i] for s in shown) for i in range(3))
    cells = [row["row"], row["what"], names, models, ", ".join(before), popularities,
             row["least"] + ("" if reached else " **missed**"),
             row["seeds"], f"{seconds_of(report, 'total_seconds'):.1f} s",
             f"{seconds_of(report, 'processor_seconds'):.1f} s"]
    return "| " + " | ".join(cells) + " |", reached


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="default: all")
    parser.add_argument("--data", help="folder of the data sets' folders")
    parser.add_argument("--runs", default="runs/results", help="where run folders go")
    parser.add_argument("--program", default="build/release/bin/rankine")
    parser.add_argument("--table", default=ROWS, help="the rows")
    parser.add_argument("--list", action="store_true", help="the rows and their commands")
    options = parser.parse_args()
    rows = read_rows(options.table)
    unknown = set(options.rows) - {row["row"] for row in rows}
    if unknown:
        sys.exit(f"no row {', '.join(sorted(unknown))}; there are: " +
                 " ".join(row["row"] for row in rows))
    chosen = [row for row in rows if not options.rows or row["row"] in options.rows]
    options.data = options.data or ("DIR" if options.list else None)
    if options.list:
        for row in chosen:
            print(f"{row['row']}: {row['what']}\n    "
                  f"{shlex.join(command_of(row, options, rows))}")
        return
    if not options.data:
        parser.error("where are the data sets? --data DIR (make results DATA=DIR)")
    options.data, options.runs = os.path.abspath(options.data), os.path.abspath(options.runs)
    for row in with_members(chosen, rows):
        run(row, options, rows)
    lines = [line for line in (line_of(row, options) for row in rows) if line]
    table = ["| row | what | metric on test | model | without refit | popularity | at least | "
             "seeds | time a seed | processor time |",
             "|---|---|---|---|---|---|---|---|---|---|"] + [line for line, _ in lines]
    print("\n" + "\n".join(table))
    with open(os.path.join(options.runs, "results.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(table) + "\n")
    if not all(reached for _, reached in lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
