#!/usr/bin/env bash
# What README.md and the pages behind it show is run as it stands: README's way from a CSV to a
# page and its config; the config and the commands of docs/tour.md, where what does not depend on
# the machine comes out as it is printed there; the formulas of docs/evaluation.md.
# The C program and the function of docs/c-api.md, that very text, are compiled against an installed
# tree with the flags of pkg-config; what the program prints is what rankine says about its run.
if [ -n "${RANKINE_SANITIZE:-}" ]; then
    echo "skipped: a sanitized library needs sanitized programs"
    exit 77
fi
. "$(dirname "$0")/lib.sh"
PATH=$(dirname "$rankine"):$PATH
docs=$RANKINE_SOURCE/docs

# section FILE HEADING: the text below the heading that begins so, up to the next one of its kind
section() {
    awk -v heading="## $2" '/^## / { inside = index($0, heading) == 1; next } inside' "$1"
}

# block KIND [N]: of what comes in, the N-th block of that kind
block() {
    awk -v kind="\`\`\`$1" -v wanted="${2:-1}" '$0 == kind { n++; inside = 1; next }
        /^```$/ { inside = 0 } inside && n == wanted'
}

# output_of COMMAND: the lines behind "$ COMMAND", up to the next command or the end of the block
output_of() {
    awk -v command="\$ $1" '$0 == command { inside = 1; next } /^(\$ |```)/ { inside = 0 } inside'
}

# A name of an event file has a time, a host and a process in it.
without_names() {
    sed 's/^events\.out\.tfevents\..*/events/'
}

# ---- README.md: from a CSV to a page, with files as MovieLens has them ----
small_data movielens
sed '1s/.*/userId,movieId,rating,timestamp/' movielens/ratings.csv >ratings.csv
sed '1s/.*/movieId,title/' movielens/items.csv >movies.csv
section "$RANKINE_SOURCE/README.md" "From a CSV" >readme.md
commands=0
while IFS= read -r line; do
    case $line in
    "rankine serve "*)
        "$rankine" serve nothing 2>&1 | grep -q 'built without its service' && continue
        bash -c "exec ${line%%#*} --listen 127.0.0.1:0" >listening 2>messages </dev/null &
        server=$!
        for _ in $(seq 400); do
            [ ! -s listening ] || break
            sleep 0.05
        done
        run 0 python3 -c 'import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())' \
            "$(sed -n 's/^listening on //p' listening)"
        prints "<html"
        kill $server && wait $server
        ;;
    *) run 0 bash -c "$line" ;;
    esac
    commands=$((commands + 1))
done < <(block sh <readme.md)
[ $commands = 6 ] || fail "$commands commands were found in README.md"
[ -s runs/movies/report.html ] || fail "no page"
block yaml <readme.md >short.yaml
run 0 "$rankine" train short.yaml --run runs/short --set train.epochs=1 --quiet
prints "ndcg@10"

# ---- the tour ----
rm -rf runs
section "$docs/tour.md" "Five minutes" >tour.md
section "$docs/tour.md" "A run folder" >>tour.md
block yaml <tour.md >music.yaml
commands=0
while IFS= read -r line; do
    run 0 bash -c "${line#\$ }"
    commands=$((commands + 1))
    case $line in
    *"rankine prepare "* | *"head -n 3 "* | *"ls runs/"*)
        output_of "${line#\$ }" <tour.md | grep -v '^  file ' | without_names >promised
        grep -v '^  file ' out | without_names | diff promised - ||
            fail "docs/tour.md promises something else"
        ;;
    *"rankine train "*" --run runs/music")
        prints "ndcg@10" "run       runs/music" "chosen by ndcg@10 on valid"
        ;;
    esac
done < <(grep '^\$ ' tour.md)
[ $commands -ge 20 ] || fail "only $commands commands were found in the tour"
python3 - <<'PYTHON' || fail "the tour should end far above popularity"
import json
report = json.load(open("runs/music/report.json"))
assert report["test"]["ndcg@10"] > 2.5 * report["popularity"]["test"]["ndcg@10"]
PYTHON
# What `make demo` leaves is what every training leaves.
section "$docs/tour.md" "Two commands" | sed -n '/^== what there is now$/,/^the report/p' |
    sed '1d;$d' | without_names >promised
run 0 ls runs/one-layer
without_names <out | diff promised - || fail "docs/tour.md lists other files of make demo"

# ---- the formulas ----
line=$(section "$docs/evaluation.md" Metrics | grep '^\$ ')
run 0 bash -c "${line#\$ }"
section "$docs/evaluation.md" Metrics | output_of "${line#\$ }" | diff - out ||
    fail "docs/evaluation.md has other formulas"

# ---- the program ----
block c 1 <"$docs/c-api.md" >program.c
grep -q '^int main' program.c || fail "docs/c-api.md should begin with a C program"
run 0 cmake --install "$RANKINE_BINARY" --prefix "$scratch/prefix"
export PKG_CONFIG_PATH="$scratch/prefix/lib/pkgconfig:$scratch/prefix/lib64/pkgconfig"
read -ra flags <<<"$(pkg-config --cflags --libs rankine)"
run 0 "${CC:-cc}" -std=c11 -Wall -Wextra -Werror program.c -o program "${flags[@]}"
silent
library=$(dirname "$(find "$scratch/prefix" -name librankine.so)")
export LD_LIBRARY_PATH=$library

small_data demo
run 0 ./program demo/synth.yaml run 3
grep -q 'epoch 5 of 5, loss 0\.' err || fail "the program shows no progress"
cp out printed
run 0 "$rankine" evaluate run --json
cp out evaluated
run 0 "$rankine" recommend run --user 3 --top 5 --json
cp out recommended
python3 - <<'PYTHON' || fail "the program of docs/c-api.md and rankine disagree"
import json
lines = [line.split(maxsplit=2) for line in open("printed").read().splitlines()]
metrics = json.load(open("evaluated"))["metrics"]
best = json.load(open("recommended"))[0]["recommendations"]
assert [line[0] for line in lines[:len(metrics)]] == list(metrics), lines
assert [line[1] for line in lines[:len(metrics)]] == [f"{v:.4f}" for v in metrics.values()]
expected = [[f"{b['score']:.3f}", str(b["item"]), b["label"]] for b in best]
assert lines[len(metrics):] == expected, (lines[len(metrics):], expected)
PYTHON

# ---- the function: a model of arrays, with no file anywhere ----
{
    echo '#include <stdio.h>'
    echo '#include <rankine/rankine.h>'
    block c 2 <"$docs/c-api.md"
    cat <<'C'
int main(void)
{
    enum { USERS = 60, ITEMS = 30, EACH = 6 };
    int64_t users[USERS * EACH], items[USERS * EACH];
    for (int i = 0; i < USERS * EACH; i++) { /* even users have even items, odd ones odd */
        users[i] = i / EACH;
        items[i] = 100 + (2 * (i % EACH) + i / EACH * 3) % ITEMS;
    }
    rk_status status = print_best(USERS * EACH, users, items, "40");
    fputs(status == RK_OK ? "" : rk_last_error(), stderr);
    return rk_status_exit_code(status);
}
C
} >arrays.c
run 0 "${CC:-cc}" -std=c11 -Wall -Wextra -Werror arrays.c -o arrays "${flags[@]}"
mkdir empty
run 0 bash -c 'cd empty && ../arrays'
[ "$(grep -c '^1[0-2][02468]$' out)" = 5 ] || fail "five even items were expected"
silent
[ -z "$(ls -A empty)" ] || fail "a model of arrays wrote something"

# Its failures are the library's: one sentence and the exit code of the status.
run 2 ./program
says "usage:"
run 2 ./program demo/synth.yaml run 3
says "run holds a run already"
run 2 ./program nothere.yaml run2 3
says "nothere.yaml"
absent run2

finish
