#!/usr/bin/env bash
# /openapi.json is valid, and schemathesis finds nothing that the service answers otherwise than it
# says. Needs a Python (PYTHON) with tests/serve/requirements.txt.
. "$(dirname "$0")/../cli/lib.sh"
python=${PYTHON:-python3}
skip() {
    echo "skip: $*"
    exit 77
}
"$rankine" serve nowhere 2>&1 | grep -q libmicrohttpd && skip "this build has no rankine serve"
"$python" -c 'import schemathesis, openapi_spec_validator' 2>/dev/null ||
    skip "$python has no schemathesis (pip install -r tests/serve/requirements.txt; PYTHON=...)"

small_data demo
run 0 "$rankine" train demo/synth.yaml --run run --device cpu --quiet --set train.epochs=2
echo "a-token-for-this-test-alone" >token
chmod 600 token
"$rankine" serve run --listen 127.0.0.1:0 --token-file token --feedback likes.jsonl \
    >server.log 2>&1 &
server=$!
for _ in $(seq 200); do
    grep -qE 'http://127\.0\.0\.1:[0-9]+' server.log && break
    sleep 0.05
done
url=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' server.log | head -1)
cat >check.py <<'PYTHON'
import json, sys, urllib.request
from openapi_spec_validator import validate
token = {"Authorization": "Bearer " + open("token").read().strip()}
request = urllib.request.Request(sys.argv[1] + "/openapi.json", headers=token)
with urllib.request.urlopen(request) as reply:
    text = reply.read().decode()
description = json.loads(text)
assert "@" not in text, "a placeholder was left"
validate(description)
print(len(description["paths"]), "paths")
with open("openapi.json", "w") as file:
    file.write(text)
PYTHON
run 0 "$python" check.py "$url"
run 0 "$python" -m schemathesis.cli --config-file "$RANKINE_SOURCE/tests/serve/schemathesis.toml" \
    run openapi.json --url "$url" --workers 1 --seed 1 --checks all \
    --header "Authorization: Bearer $(cat token)" --max-examples "${EXAMPLES:-50}" \
    --no-color
tail -25 out
kill -TERM $server
wait $server || fail "SIGTERM: exit code $?"
! grep -qiE 'sanitizer|runtime error' server.log || fail "the server says: $(cat server.log)"
finish
