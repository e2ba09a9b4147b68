"""Stages one after the other, commands under their caps, everything written as it comes."""
import dataclasses
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import summary

RESERVE = 10.0  # seconds at the end of all, for a program that is told to stop, and for the summary
GRACE = 6.0  # seconds between "stop" and "stop now": rankine writes its checkpoint in them
STAGE_LOG = 900_000  # bytes of one stage in log.txt, which may come back with 16 MiB at most
TAIL = 100_000  # of them its end


@dataclasses.dataclass
class Outcome:
    rc: int  # 124: over the cap, 127: could not be started
    seconds: float
    text: str  # standard output and error


@dataclasses.dataclass
class Result:
    """What a stage says. status: passed, failed or skipped; why: in a sentence, unless passed."""

    status: str
    why: str = ""
    rc: int = 0
    figures: list = dataclasses.field(default_factory=list)  # lines of Markdown


class StageLog:
    """One stage's part of log.txt: its begin as it comes, of what is more the end."""

    def __init__(self, file):
        self.file, self.written, self.tail, self.dropped = file, 0, b"", 0

    def add(self, data):
        now = data[: max(0, STAGE_LOG - TAIL - self.written)]
        self.file.write(now)
        self.file.flush()
        self.written += len(now)
        rest = self.tail + data[len(now) :]
        self.tail = rest[-TAIL:]
        self.dropped += len(rest) - len(self.tail)

    def close(self):
        if self.dropped:
            self.file.write(f"\n... {self.dropped} bytes left out ...\n".encode())
        self.file.write(self.tail)
        self.file.flush()


class Check:
    def __init__(self, options):
        self.options = options
        self.out = os.path.abspath(options.out)
        with open(os.path.join(options.pack, "pack.json"), encoding="utf-8") as file:
            self.about = json.load(file)
        self.work = tempfile.mkdtemp(prefix="rankine-gpu-check-")
        self.root = os.path.join(self.work, "pack")  # unpacked by the first stage
        self.data = os.path.join(self.root, "data", self.about["data"])
        self.emulated = self.about["emulated"]
        self.environment = dict(os.environ, OMP_WAIT_POLICY="passive", PYTHONDONTWRITEBYTECODE="1")
        self.facts = {"command": " ".join(sys.argv), "begun": time.strftime("%Y-%m-%d %H:%M:%S %Z")}
        self.results = []  # (stage, Result, seconds)
        self.began = time.monotonic()
        self.deadline = self.began + options.limit - RESERVE

    # ---- what stages ask

    def program(self, name, build="run"):
        """A program as it is to be started; with build="build" the file itself."""
        folder = {"rankine": "bin"}.get(name, "bench" if name.startswith("bench") else "tests")
        return os.path.join(self.root, build, folder, name)

    def path(self, name):
        """A file for the results."""
        return os.path.join(self.out, name)

    def left(self):
        """Seconds that the stage has left."""
        return min(self.stage_end, self.deadline) - time.monotonic()

    def command(self, argv, most=None, **environment):
        """Runs a command under the stage's cap and `most` seconds."""
        limit = min(self.left(), most or 1e9)
        self.log.add(f"$ {' '.join(argv)}  {environment or ''}\n".encode())
        if limit < 1:
            self.log.add(b"no time left\n")
            return Outcome(124, 0.0, "no time left")
        env = dict(self.environment, **environment)
        begin = time.monotonic()
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=self.work, env=env,
                stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        except OSError as error:
            self.log.add(f"{error}\n".encode())
            return Outcome(127, 0.0, str(error))
        text, is_late = self.follow(process, begin + limit)
        rc = 124 if is_late else process.returncode
        seconds = time.monotonic() - begin
        self.log.add(f"[exit code {rc}, {seconds:.1f} s]\n".encode())
        return Outcome(rc, seconds, text)

    def follow(self, process, end):
        """Its output, and whether it had to be stopped."""
        chunks, stop_at, is_late = [], None, False
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                ready = selector.select(timeout=0.1)
                data = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
                if data:
                    self.log.add(data)
                    chunks.append(data)
                elif process.poll() is not None:
                    break
                elif ready:
                    time.sleep(0.05)  # the pipe is closed, the process is not over
                now = time.monotonic()
                if now > end and not is_late:
                    is_late, stop_at = True, now + GRACE
                    signal_group(process, signal.SIGTERM)
                elif stop_at and now > stop_at:
                    signal_group(process, signal.SIGKILL)
                    stop_at = None
        signal_group(process, signal.SIGKILL)  # what it may have left behind
        process.stdout.close()
        process.wait()
        return b"".join(chunks).decode(errors="replace"), is_late

    # ---- the whole

    def run(self, stages):
        os.makedirs(self.out, exist_ok=True)
        table = self.path("stages.csv")
        with open(table, "w", encoding="utf-8") as file:
            file.write("stage,rc,seconds,status\n")
        try:
            with open(self.path("log.txt"), "wb") as log:
                for stage in stages:
                    self.run_stage(stage, log, table)
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        print(f"written: {', '.join(sorted(os.listdir(self.out)))} in {self.out}")

    def run_stage(self, stage, log, table):
        begin = time.monotonic()
        self.log = StageLog(log)
        # A GPU's seconds say nothing of processors, which may have other work, too.
        self.stage_end = begin + (stage.cap or 1e9) * (4 if self.emulated else 1)
        self.log.add(f"\n==== {stage.name}: {stage.about}\n".encode())
        if self.left() < stage.least:
            left = max(self.left(), 0)
            result = Result("skipped", f"{left:.0f} s are left, it wants {stage.least}")
        else:
            try:
                result = stage.do(self)
            except Exception as error:  # a fault of this script must not cost the stages after it
                self.log.add(traceback.format_exc().encode())
                result = Result("failed", f"gpu_check itself: {error!r}", 70)
        self.log.close()
        seconds = time.monotonic() - begin
        self.results.append((stage, result, seconds))
        with open(table, "a", encoding="utf-8") as file:
            file.write(f"{stage.name},{result.rc},{seconds:.1f},{result.status}\n")
        print(f"{stage.name:12} {result.status:8} {seconds:6.1f} s  {result.why}", flush=True)
        with open(self.path("summary.md"), "w", encoding="utf-8") as file:
            file.write(summary.page(self))


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
