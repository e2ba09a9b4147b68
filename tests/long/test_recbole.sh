#!/usr/bin/env bash
# RecBole itself beside `rankine train --recbole`, see recbole_beside.py. Needs a Python (PYTHON)
# with bench/libraries/requirements-recbole.txt, and MovieLens 100K.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/lib.sh"
python=${PYTHON:-python3}
"$python" -c 'import recbole' 2>/dev/null || {
    echo "skip: $python has no recbole (pip install -r bench/libraries/requirements-recbole.txt;" \
        "PYTHON=...)"
    exit 77
}
ratings=$RANKINE_DATA/ml-100k/u.data
[ -f "$ratings" ] || {
    echo "skip: no $ratings"
    exit 77
}
"$python" "$here/recbole_beside.py" "$rankine" "$ratings" 2>err || fail "RecBole and Rankine differ"
finish
