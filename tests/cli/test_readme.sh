#!/usr/bin/env bash
# The tour of README.md: its config and its commands as they stand; what does not depend on the
# machine comes out as it is printed there.
# The C program and the function of README.md, that very text, are compiled against an installed
# tree with the flags of pkg-config; what the program prints is what rankine says about its run.
if [ -n "${RANKINE_SANITIZE:-}" ]; then
    echo "skipped: a sanitized library needs sanitized programs"
    exit 77
fi
. "$(dirname "$0")/lib.sh"

# ---- the tour ----
readme=$RANKINE_SOURCE/README.md
awk '/^## Five minutes/ { inside = 1 } /^## Configs/ { inside = 0 } inside' "$readme" >tour.md
awk '/^```yaml$/ { inside = 1; next } /^```$/ { inside = 0 } inside' tour.md >music.yaml
PATH=$(dirname "$rankine"):$PATH
commands=0
while IFS= read -r line; do
    run 0 bash -c "${line#\$ }"
    commands=$((commands + 1))
    case $line in
    *"rankine prepare "* | *"head -n 3 "*)
        # the lines behind the command, up to the next command or the end of the block
        awk -v command="$line" '$0 == command { inside = 1; next }
            /^(\$ |```)/ { inside = 0 } inside' tour.md | grep -v '^  file ' >promised
        grep -v '^  file ' out | diff promised - || fail "README.md promises something else"
        ;;
    *"rankine train "*" --run runs/music")
        prints "ndcg@10" "run       runs/music" "chosen by ndcg@10 on valid"
        ;;
    esac
done < <(grep '^\$ ' tour.md)
[ $commands -ge 10 ] || fail "only $commands commands were found in the tour"
python3 - <<'PYTHON' || fail "the tour should end far above popularity"
import json
report = json.load(open("runs/music/report.json"))
assert report["test"]["ndcg@10"] > 2.5 * report["popularity"]["test"]["ndcg@10"]
PYTHON

# ---- the program ----
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$readme" >program.c
[ "$(grep -c '^int main' program.c)" = 1 ] || fail "README.md should hold one C program"
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
python3 - <<'PYTHON' || fail "the program of README.md and rankine disagree"
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
    awk '/^```c$/ { inside = 1; n++; next } /^```$/ { inside = 0 } inside && n == 2' "$readme"
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
