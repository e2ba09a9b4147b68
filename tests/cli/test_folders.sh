#!/usr/bin/env bash
# Folders: jobs that start at once share none, a run folder stands on its own, and rankine cache.
. "$(dirname "$0")/lib.sh"

small_data demo
settings=(--set train.epochs=3 --set model.dim=8 --set "eval.k=[10]" --set eval.metric=ndcg@10)
export OMP_NUM_THREADS=1

# whole RUN: config, environment, report and checkpoint are those of one run
whole() {
    run 0 "$rankine" evaluate "$1" --json
    python3 - "$1" <<'PYTHON' || fail "$1 is a mixture of runs"
import json, sys
run = sys.argv[1]
report = json.load(open(f"{run}/report.json"))
told = json.load(open("out"))
config = open(f"{run}/config.yaml").read()
seed = json.load(open(f"{run}/environment.json"))["seed"]
assert f"seed: {seed}\n" in config, "seed"
for name, value in told["metrics"].items():
    assert abs(value - report["test"][name]) < 1e-12, name
lines = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
assert [line["epoch"] for line in lines] == list(range(1, report["train"]["epochs"] + 1)), "epochs"
PYTHON
    no_leftovers "$1"
}

# ---- jobs that start at once ----
# Without --run: each takes a folder of its own, also within one second; the cache is theirs, too.
for pair in 1 2 3 4 5; do
    for job in 1 2; do
        "$rankine" train demo/synth.yaml "${settings[@]}" --set run.seed=$((2 * pair + job)) \
            --set model.dim=$((4 * job)) --set "data.cache=$scratch/cache$pair" --quiet \
            >"out$pair.$job" 2>"err$pair.$job" </dev/null &
    done
done
wait
cat out?.? | sed -n 's/^run *//p' >folders
[ "$(sort -u folders | wc -l)" = 10 ] || fail "ten jobs made these folders: $(cat folders err?.?)"
while read -r folder; do
    whole "$folder"
done <folders
for pair in 1 2 3 4 5; do
    [ "$(find "cache$pair" -name '*.h5*' | wc -l)" = 1 ] ||
        fail "the cache holds $(ls "cache$pair")"
done

# One --run given several times: one job has it, the others say so and touch nothing.
for job in 1 2 3 4; do
    (
        "$rankine" train demo/synth.yaml "${settings[@]}" --run same --set model.dim=$((4 * job)) \
            --set run.seed="$job" --quiet >"out.$job" 2>"err.$job" </dev/null
        echo $? >"code.$job"
    ) &
done
wait
[ "$(cat code.? | sort | uniq -c | awk '$2 == 0 { print $1 }')" = 1 ] || fail "codes: $(cat code.?)"
for job in 1 2 3 4; do
    grep -q '^0' "code.$job" ||
        grep -qE 'same (is in use: another process|holds a run already)' "err.$job" ||
        fail "job $job said: $(cat "err.$job")"
done
whole same

# The same of several seeds; one that is running cannot be resumed by another.
for job in 1 2; do
    "$rankine" train demo/synth.yaml "${settings[@]}" --run seeds --seeds 2 --quiet \
        >"out.$job" 2>"err.$job" </dev/null &
    codes[job]=$!
done
good=0
for job in 1 2; do
    wait "${codes[job]}" && good=$((good + 1))
done
[ $good = 1 ] || fail "$good of two jobs have the folder seeds: $(cat err.1 err.2)"
whole seeds/seed-2020
mkdir project
echo mine >project/config.yaml
run 2 "$rankine" train demo/synth.yaml "${settings[@]}" --run project --seeds 2 --force
says "project is not empty and holds no runs"
[ "$(cat project/config.yaml)" = mine ] || fail "a folder of somebody else was changed"

# Exports and generated data: those of one job.
for format in 1 2 3; do
    "$rankine" export "$(sed -n ${format}p folders)" --out exported --quiet \
        >/dev/null 2>"err.$format" &
    "$rankine" synth world --users $((100 * format)) --items 50 --interactions 2000 --clusters 2 \
        --quiet >/dev/null 2>"err2.$format" &
done
wait
[ "$(cat err.? | grep -c 'is there already; force overwrites it')" = 2 ] || fail "$(cat err.?)"
[ "$(cat err2.? | grep -c 'is there already; force overwrites it')" = 2 ] || fail "$(cat err2.?)"
python3 - <<'PYTHON' || fail "a mixture of exports, or of worlds"
import ast
def columns(path):
    return ast.literal_eval(open(path, "rb").read(128)[10:].decode())["shape"][1]
assert columns("exported/user_embeddings.npy") == columns("exported/item_embeddings.npy")
users = {line.split(",")[0] for line in open("world/ratings.csv")} - {"user_id"}
assert f"{len(users)} users" in open("world/synth.yaml").read()
PYTHON

# Killed at any moment: what was saved stays, and the run goes on or is replaced.
for wait in 0.02 0.05 0.1 0.2; do
    "$rankine" train demo/synth.yaml "${settings[@]}" --run killed --force \
        --set train.epochs=100000 --set train.checkpoint_every=1 --quiet \
        >/dev/null 2>&1 </dev/null &
    sleep $wait
    kill -KILL $!
    wait $! 2>/dev/null
done
if [ -e killed/last.h5 ]; then
    epochs=$(($(wc -l <killed/metrics.jsonl) + 1))
    run 0 "$rankine" train --run killed --resume --quiet --set "train.epochs=$epochs"
else
    run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run killed --force --quiet
fi
whole killed
mkdir early
cp killed/config.yaml killed/environment.json killed/data.h5 early
run 2 "$rankine" train --run early --resume
says "early: nothing to go on with, it has no last.h5; start anew by --force in place of --resume"
run 2 "$rankine" train demo/synth.yaml --run early
says "early holds a run already: replace it by --force, or name another folder by --run"

# ---- a run folder stands on its own ----
# answers RUN: what it says, but for its own name and the seconds
answers() {
    "$rankine" evaluate "$1" --json 2>err |
        sed 's/"run": "[^"]*"//; s/"seconds": [^,]*//'
    "$rankine" recommend "$1" --all --json 2>err
    "$rankine" export "$1" --out "$1.export" --force --quiet >/dev/null 2>err
    cat "$1.export"/*
}
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run here --quiet
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run straight --set train.epochs=5 --quiet
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run bare --set run.keep_data=false --quiet
absent bare/data.h5
answers here >before
head -n -50 demo/ratings.csv >fewer && mv fewer demo/ratings.csv
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run other --quiet
answers here >after
cmp before after || fail "other answers after the source has changed"
cp -r here moved
rm -r here .rankine
mv demo gone
answers moved >after
cmp before after || fail "other answers after a move"
run 0 "$rankine" compare moved straight --json
run 0 "$rankine" info moved --program
run 0 "$rankine" train --run moved --resume --set train.epochs=5 --quiet
cmp straight/last.h5 moved/last.h5 || fail "a run that was moved goes on with other bits"
run 3 "$rankine" evaluate bare
says "bare" "which its run folder does not hold" "ratings.csv"
# Other sources are never taken for those of the run, nor ignored.
mv gone demo
run 3 "$rankine" recommend moved --user 1 --data demo
says "/demo give" "are others, or have changed since"
run 3 "$rankine" evaluate bare
says "its sources now give"
# Parts of two runs in one folder.
cp straight/config.yaml keep.yaml
sed 's/ dim: 8$/ dim: 16/' keep.yaml >straight/config.yaml
run 3 "$rankine" evaluate straight
says "straight/config.yaml" "model.dim was 8" "is 16 now"
# Options of the data set, too, for answers and for going on; also of a source and one source less.
for edit in 's/ min_user: .*/ min_user: 3/' 's/ kind: leave_one_out/ kind: ratio/' \
    's/ where: .*/ where: "rating >= 4"/'; do
    sed "$edit" keep.yaml >straight/config.yaml
    cmp -s keep.yaml straight/config.yaml && continue
    run 3 "$rankine" evaluate straight
    says "straight/config.yaml" "when this run began and is"
    run 2 "$rankine" train --run straight --resume --quiet
    says "does not say how its data set was made" "put back what was edited there"
done
mv keep.yaml straight/config.yaml
cp -r straight without
rm without/best.h5
run 3 "$rankine" evaluate without
says "without/best.h5 is gone" "was the best one"
rm straight/data.h5
cp other/data.h5 straight/data.h5
run 3 "$rankine" evaluate straight
says "straight/data.h5" "they are of two runs"

# What came through a pipe is in the run folder afterwards.
cat >pipe.yaml <<'YAML'
data: {sources: [{file: /dev/stdin, time: timestamp}]}
split: {kind: ratio}
YAML
command_line="rankine train pipe.yaml <ratings.csv"
"$rankine" train pipe.yaml "${settings[@]}" --run piped --quiet >out 2>err <demo/ratings.csv ||
    fail "no run from a pipe"
whole piped

# ---- rankine cache ----
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run last --quiet
run 0 "$rankine" cache
prints "current, made of" "demo/ratings.csv" "shared by 1 run" ".rankine: "
run 0 "$rankine" cache demo/synth.yaml --json
json '[(f["name"], f["state"]) for f in j["files"]] == [("pipe", "unused"), ("synth", "current")]'
json '[f["runs"] for f in j["files"]] == [1, 1] and j["files"][1]["source"].endswith("ratings.csv")'
echo "1,2,3,4" >>demo/ratings.csv
run 0 "$rankine" cache .rankine
prints "changed since: "
run 0 "$rankine" cache --clean --json
json 'j["removed"] == 2'
run 0 "$rankine" cache --clean --all
whole last
run 2 "$rankine" cache --all
says "--clean"
run 3 "$rankine" cache nowhere
says "nowhere"

finish
