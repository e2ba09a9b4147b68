#!/usr/bin/env bash
# Bad sources: each has its message with the place, exit code 3, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"

cat >exp.yaml <<'YAML'
data:
  sources:
    - {file: ratings.csv, user: user_id, item: item_id, where: "rating >= 4"}
split:
  kind: leave_one_out
train:
  epochs: 1
model:
  dim: 8
YAML

# bad TEXT... : with that ratings.csv, prepare and train both fail with these texts
bad() {
    for command in "prepare exp.yaml" "train exp.yaml --run run"; do
        # shellcheck disable=SC2086
        run 3 "$rankine" $command
        no_output
        says "$@"
        [ "$(grep -c '^rankine: ' err)" = 1 ] || fail "one line of error was expected"
        absent run
        [ -z "$(ls .rankine 2>/dev/null)" ] || fail "something is left in .rankine"
    done
}
header="user_id,item_id,rating"
rows() {
    printf '%s\n' "$header" "$@" >ratings.csv
}

rm -f ratings.csv
bad "ratings.csv" "No such file or directory"
: >ratings.csv
bad "ratings.csv" "empty"
echo "user_id,item,rating" >ratings.csv
bad "ratings.csv" "item_id" "item"
rows
bad "ratings.csv"
rows 1,2,5 1,x7,5 1,3,5
bad "ratings.csv:3:3" "x7"
rows 1,2,5 1,3,good
bad "ratings.csv:3:5" "good"
rows 1,2,5 -4,3,5
bad "ratings.csv:3:1" "-4"
rows 1,2,5 4,99999999999999999999,5
bad "ratings.csv:3:3" "99999999999999999999"
rows 1,2,5 4,,5
bad "ratings.csv:3:3"
rows 1,2,5 4
bad "ratings.csv:3"
printf '%s\n1,2,5\n1,\0003,5\n' "$header" >ratings.csv
bad "ratings.csv:3:3" "zero byte"
head -c 3000 /dev/urandom | tr '\n' 'x' >ratings.csv
bad "ratings.csv"
rm ratings.csv
mkdir ratings.csv
bad "ratings.csv"
rmdir ratings.csv
if [ "$(id -u)" != 0 ]; then
    rows 1,2,5
    chmod a-r ratings.csv
    bad "ratings.csv" "Permission denied"
    rm -f ratings.csv
fi

# Nobody is left: by the filter of rows, by the minimum counts.
rows 1,2,3 1,3,2 2,2,1
bad "where"
rows 1,2,5 1,3,5 2,2,5
sed -i 's/^split:/  min_user: 50\nsplit:/' exp.yaml
bad "min_user"

finish
