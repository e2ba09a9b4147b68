"""Seconds of a step by the values of an option, in both precisions; a program of its own, so that a
worker that hangs is stopped with it. Prints a line of JSON for each.

  by_option.py BENCH WORKER CONFIG SECONDS STEPS OPTION VALUE,VALUE... KEY=VALUE...

STEPS: of the warm-up, and a multiple of which is timed.
"""
import json
import sys


def main():
    bench, worker, config, seconds, steps, option, values, *settings = sys.argv[1:]
    few = int(steps)
    sys.path.insert(0, bench)
    from harness import arms  # pylint: disable=import-outside-toplevel

    for precision in ("fp32", "fp16"):
        for value in values.split(","):
            try:
                arm = arms.RankineArm(option, worker, config, [
                    *settings, f"train.propagation={precision}", f"{option}={value}"])  # fmt: skip
            except arms.Unavailable as reason:
                sys.exit(f"bench_worker: {reason}")
            arm.train(few)  # the captures, and the clocks
            n = few * max(1, round(float(seconds) / arm.train(few)))
            best = min(arm.train(n) / n for _ in range(3))
            print(json.dumps({"precision": precision, "value": value, "step": best, "steps": n}),
                  flush=True)  # fmt: skip
            arm.close()


if __name__ == "__main__":
    main()
