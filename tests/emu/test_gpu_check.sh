#!/usr/bin/env bash
# tools/gpu_check from packing to the summary, with the programs of the emulated build: everything
# that is not the GPU's must work where nothing is but Python.
. "$(dirname "$0")/../cli/lib.sh"

tool=$RANKINE_SOURCE/tools/gpu_check
bare=(env -i PATH=/usr/bin:/bin HOME=/nonexistent OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1)
run 0 "$rankine" synth data --users 60 --items 40 --interactions 700 --clusters 4 --quiet
run 0 python3 "$tool" pack --emulated --build "$RANKINE_BINARY" --data data pack
prints "packed pack: " "data set data"
run 1 python3 "$tool" pack --emulated --build "$RANKINE_BINARY" --data data data
says "was not made by this script"
run 1 python3 "$tool" pack --emulated --build data --data data other
says "data lacks " "cmake --preset release"
run 1 python3 "$tool" run --out out
says "is no packed folder"

# results FOLDER: at most eight files, nothing below, a row and a line of the summary for each stage
results() {
    [ "$(find "$1" -type f | wc -l)" -le 8 ] || fail "$1 holds too many files"
    [ -z "$(find "$1" -mindepth 1 -type d)" ] || fail "$1 holds folders"
    [ -z "$(find "$1" -size +16M)" ] || fail "$1 holds a file that is too large"
    grep -q '^machine,' "$1/stages.csv" || fail "no row of the first stage"
    grep -q '^| machine |' "$1/summary.md" || fail "no line of the first stage"
}

mkdir elsewhere
run 0 "${bare[@]}" python3 pack/gpu_check run --out elsewhere/out
results elsewhere/out
grep -vE '^stage|^(.*,passed$|sanitizer,.*,skipped$|pytorch,.*,skipped$)' \
    elsewhere/out/stages.csv >bad
[ ! -s bad ] || fail "stages: $(cat bad; tail -n 30 elsewhere/out/log.txt)"
[ "$(wc -l <elsewhere/out/stages.csv)" = 16 ] || fail "not every stage has a row"
for file in bench.csv bench.md log.txt machine.txt train-metrics.jsonl train-report.json; do
    [ -s elsewhere/out/$file ] || fail "no $file"
done
grep -qF "the same bits" elsewhere/out/summary.md || fail "nothing is said of the bits"

run 0 "${bare[@]}" python3 pack/gpu_check rerun --out again parity start
results again
[ "$(cut -d, -f1 again/stages.csv | xargs)" = "stage machine start parity" ] || fail "other stages"

# A capture that fails unless all kernels are loaded beforehand: so they are, from then on.
run 0 "${bare[@]}" EMU_FAULT=cold_blas python3 pack/gpu_check rerun --out eager start parity
grep -vE '^stage|,passed$' eager/stages.csv >bad
[ ! -s bad ] || fail "stages: $(cat bad; tail -n 30 eager/log.txt)"
grep -qF "kernels were loaded at the start (CUDA_MODULE_LOADING=EAGER)**: EMU ERROR: cublas" \
    eager/summary.md || fail "$(cat eager/summary.md)"

# Tools of the toolkit's that say what theirs say: their figures are read.
mkdir tools
cat >tools/ncu <<'TOOL'
#!/bin/sh
echo '==PROF== Connected to process 1'
echo '"ID","Process Name","Kernel Name","Section Name","Metric Name","Metric Unit","Metric Value"'
head='"0","rankine","void rk::propagate_pieces<4, true>(rk::pieces)"'
echo "$head,\"GPU Speed Of Light Throughput\",\"Duration\",\"us\",\"85.12\""
echo "$head,\"GPU Speed Of Light Throughput\",\"Memory Throughput\",\"%\",\"71.5\""
echo "$head,\"Memory Workload Analysis\",\"Memory Throughput\",\"Tbyte/second\",\"2.5\""
echo "$head,\"Launch Statistics\",\"Registers Per Thread\",\"register/thread\",\"48\""
echo "$head,\"Launch Statistics\",\"Grid Size\",\"\",\"12,345\""
TOOL
cat >tools/compute-sanitizer <<'TOOL'
#!/bin/sh
echo "========= ERROR SUMMARY: 0 errors"
[ "$2" = memcheck ] || exit 9
TOOL
chmod +x tools/ncu tools/compute-sanitizer
run 0 "${bare[@]}" PATH="$PWD/tools:/usr/bin:/bin" python3 pack/gpu_check rerun --out tools/out \
    profile sanitizer
grep -qF '| void rk::propagate_pieces<4, true> | 85.12 | 2500 |  |  |  | 48 | 12345 |' \
    tools/out/summary.md || fail "$(cat tools/out/summary.md)"
grep -qF -- "- memcheck, test_cuda: ERROR SUMMARY: 0 errors" tools/out/summary.md ||
    fail "$(cat tools/out/summary.md)"
grep -q '^sanitizer,9,.*,failed' tools/out/stages.csv || fail "an exit code of racecheck's is lost"

# A machine without a device: that is the reason in every stage, and the last one is reached.
run 0 "${bare[@]}" EMU_FAULT=no_device python3 pack/gpu_check run --out none
results none
grep -c "there is no CUDA device here" none/summary.md >lines
[ "$(cat lines)" -ge 10 ] || fail "other reasons: $(cat none/summary.md)"

# Too little time: what does not fit is left out, and said.
run 0 "${bare[@]}" python3 pack/gpu_check run --out short --limit 14
grep -qE '^\| goodbooks \| \*\*skipped\*\* \| 0 \| [0-9]+ s are left' short/summary.md ||
    fail "$(cat short/summary.md)"

# A program that hangs is stopped, with what it started.
python3 - "$tool" <<'PYTHON' || fail "a program that hangs"
import os, sys, time, types
sys.path.insert(0, sys.argv[1])
import runner, stages
def hang(check):
    outcome = check.command(["sh", "-c", "echo begun; trap '' TERM; sleep 300 & wait"])
    return runner.Result("failed", outcome.text.strip(), outcome.rc)
runner.GRACE = 0.5
options = types.SimpleNamespace(pack="pack", out="hung", limit=60)
check = runner.Check(options)
begin = time.monotonic()
def broken(check):
    return 1 / 0
check.run([stages.Stage("hang", 0.5, "hangs", hang, 0),
           stages.Stage("broken", 1, "breaks", broken, 0)])
assert time.monotonic() - begin < 40
rows = open("hung/stages.csv").read().split()
assert rows[1].startswith("hang,124,") and rows[2].startswith("broken,70,"), rows
PYTHON
finish
