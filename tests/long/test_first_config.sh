#!/usr/bin/env bash
# What `rankine init` writes for real files is ahead of popularity on valid and on test, in the
# first training that somebody does.
. "$(dirname "$0")/../cli/lib.sh"
found=0
first() { # NAME FILE
    [ -f "$RANKINE_DATA/$2" ] || return
    found=$((found + 1))
    run 0 "$rankine" init "$RANKINE_DATA/$2" --out "$1.yaml"
    run 0 "$rankine" train "$1.yaml" --run "$1" --quiet
    cp "$1/report.json" out
    for part in valid test; do
        json "j['$part']['ndcg@10'] > 1.05 * j['popularity']['$part']['ndcg@10']"
    done
}
first latest-small ml-latest-small/ratings.csv
first ml-100k ml-100k/u.data
first lastfm lastfm/hetrec-kg/user_artists.dat
first goodbooks goodbooks/ratings_users5pct.csv
[ $found -gt 0 ] || {
    echo "skip: none of the files is in '$RANKINE_DATA'"
    exit 77
}
finish
