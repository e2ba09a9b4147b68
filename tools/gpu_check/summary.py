"""One page of what a run has found."""
import time


def page(check):
    facts = check.facts
    kind = "the emulated CUDA device: no figure here says anything about a GPU" \
        if check.emulated else facts.get("device", "no device was found")  # fmt: skip
    lines = [
        "# gpu_check",
        "",
        f"- device: {kind}",
        f"- driver: {facts.get('driver', 'unknown')}",
        f"- host: {facts.get('host', 'unknown')}",
        f"- Rankine: {check.about['revision']}, packed on {check.about['glibc']}",
        f"- command: `{facts['command']}`, {facts['begun']}, "
        f"{time.monotonic() - check.began:.0f} s so far",
    ]
    if facts.get("eager"):
        lines.append("- **kernels were loaded at the start (CUDA_MODULE_LOADING=EAGER)**: "
                     f"{facts['eager']}")  # fmt: skip
    lines += ["", "| stage | result | s | |", "|---|---|---|---|"]
    for stage, result, seconds in check.results:
        status = result.status if result.status == "passed" else f"**{result.status}**"
        why = result.why.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {stage.name} | {status} | {seconds:.0f} | {why or stage.about} |")
    for stage, result, _ in check.results:
        if result.figures:
            lines += ["", f"## {stage.name}: {stage.about}", "", *result.figures]
    return "\n".join(lines) + "\n"


def table(header, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
