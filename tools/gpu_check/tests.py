"""Stages that run the tests of the device."""
import re

import machine
from runner import Result

SKIPPED = 77  # the tests' exit code


def failures(text):
    """Names of failed tests, and what each said first."""
    lines, found, said = text.splitlines(), [], []
    for line in lines:
        match = re.match(r"\[  FAILED  \] (\S+)$", line.strip())
        if match and match[1] not in [name for name, _ in found]:
            found.append((match[1], said[-1] if said else ""))
        if line.startswith("[ RUN"):
            said = []
        elif line.strip() and not line.startswith(("[", " ")):
            said.append(line.strip()[:200])
    return found


def why(outcome):
    """The sentence of a command that did not succeed."""
    if outcome.rc == 124:
        return "stopped: over its cap"
    lines = [line.strip() for line in outcome.text.splitlines() if line.strip()]
    for word in ("skipped:", "rankine:", "bench_worker:", "bench/run:", "EMU ERROR", "error:"):
        for line in reversed(lines):
            if word in line:
                return line.removeprefix("skipped: ")[:400]
    return (lines[-1] if lines else "it said nothing")[:400] + f" (exit code {outcome.rc})"


def result_of(outcome, figures):
    if outcome.rc == SKIPPED:
        return Result("skipped", why(outcome), outcome.rc, figures)
    broken = failures(outcome.text)
    figures = figures + [f"- `{name}`: {text}" for name, text in broken]
    if outcome.rc == 0:
        return Result("passed", "", 0, figures)
    names = ", ".join(name for name, _ in broken)
    text = f"{len(broken)} failed: {names}" if broken else why(outcome)
    return Result("failed", text, outcome.rc, figures)


def count(text):
    passed = re.findall(r"\[  PASSED  \] (\d+) test", text)
    return [f"{' + '.join(passed)} tests passed"] if passed else []


def parity(check):
    tiny = ["attend", "score_topk"] if check.emulated else [""]
    text, worst = "", None
    for pattern in tiny:
        command = [check.program("test_parity")] + ([pattern] if pattern else [])
        work = "2000" if check.emulated else "200000"
        outcome = check.command(command, OPS_DEVICE="cuda", OPS_WORK=work)
        text += outcome.text
        worst = outcome if worst is None or outcome.rc else worst
    worst.text = text
    return result_of(worst, count(text))


def largest_errors(text):
    """The figures that test_devices prints beside its bounds."""
    found = {}
    for what, error, bound in re.findall(r"^\s+(\w+): off by (\S+) of (\S+)", text, re.M):
        key = (what, bound)
        found[key] = max(found.get(key, 0.0), float(error))
    return [f"- {what}: off by {error:.1e} at most, the bound is {bound}"
            for (what, bound), error in found.items()]  # fmt: skip


def devices(check):
    environment = {"DEVICES_STEPS": "1", "EMU_VARIANT": "plain"} if check.emulated else {}
    some = ["a_run_is_the_same"] if check.emulated else []
    outcome = check.command([check.program("test_devices"), *some], **environment)
    return result_of(outcome, count(outcome.text) + largest_errors(outcome.text))


def every_model(check):
    environment = {"DEVICES_STEPS": "1"} if check.emulated else {}
    some = ["trained_models*"] if check.emulated else []
    outcome = check.command([check.program("test_every_model"), *some], **environment)
    return result_of(outcome, count(outcome.text))


def large(check):
    """The emulated device is given too little memory for it: the test says so."""
    environment = {"EMU_MEMORY": "1000000000"} if check.emulated else {}
    outcome = check.command([check.program("test_large")], **environment)
    left_out = [f"- {line}" for line in outcome.text.splitlines() if line.startswith("left out")]
    return result_of(outcome, count(outcome.text) + left_out)


def sanitizer(check):
    tool = machine.find_tool("compute-sanitizer")
    if not tool:
        return Result("skipped", "compute-sanitizer is not here")
    figures, worst = [], 0
    for kind in ("memcheck", "racecheck"):
        for test, environment in (("test_cuda", {}), ("test_devices", {"DEVICES_STEPS": "2"})):
            command = [tool, "--tool", kind, "--target-processes", "all", "--error-exitcode", "9",
                       check.program(test)]  # fmt: skip
            # racecheck is much the slower one: half of what is left, so that the next gets a turn.
            outcome = check.command(command, most=check.left() / 2, **environment)
            said = re.findall(r"=+ ((?:ERROR|RACECHECK) SUMMARY: .*)", outcome.text)
            figures.append(f"- {kind}, {test}: {said[-1] if said else why(outcome)}")
            if outcome.rc not in (0, 124):
                worst = worst or outcome.rc
    if worst:
        return Result("failed", "see below and log.txt", worst, figures)
    return Result("passed", "", 0, figures)
