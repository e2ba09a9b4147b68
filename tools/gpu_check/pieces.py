"""Milliseconds of a step by cuda.piece_edges, in both precisions; a program of its own, so that a
worker that hangs is stopped with it. Prints a line of JSON for each.

  pieces.py BENCH WORKER CONFIG SECONDS STEPS KEY=VALUE...

STEPS: of the warm-up, and a multiple of which is timed.
"""
import json
import sys


def main():
    bench, worker, config, seconds, steps, *settings = sys.argv[1:]
    few = int(steps)
    sys.path.insert(0, bench)
    from harness import arms  # pylint: disable=import-outside-toplevel

    for precision in ("fp32", "fp16"):
        for edges in (64, 128, 256, 512):
            try:
                arm = arms.RankineArm("pieces", worker, config, [
                    *settings, f"train.propagation={precision}",
                    f"cuda.piece_edges={edges}"])  # fmt: skip
            except arms.Unavailable as reason:
                sys.exit(f"bench_worker: {reason}")
            arm.train(few)  # the captures, and the clocks
            n = few * max(1, round(float(seconds) / arm.train(few)))
            best = min(arm.train(n) / n for _ in range(3))
            print(json.dumps({"precision": precision, "edges": edges, "step": best, "steps": n}),
                  flush=True)  # fmt: skip
            arm.close()


if __name__ == "__main__":
    main()
