#!/usr/bin/env bash
# What rankine serve answers: what recommend, similar and score do, for every user of a small data
# set; lists and limits; who may ask; another run under the same name; hostile requests.
. "$(dirname "$0")/lib.sh"
if "$rankine" serve nowhere 2>&1 | grep -q libmicrohttpd; then
    echo "skip: this build has no rankine serve (libmicrohttpd)"
    exit 77
fi
serve=$RANKINE_SOURCE/tests/serve
export PYTHONPATH=$serve PYTHONDONTWRITEBYTECODE=1
small=(--device cpu --quiet --force --set "eval.k=[10]" --set eval.metric=ndcg@10)

small_data demo
sed '/^train:/,$d' demo/synth.yaml >demo/solved.yaml
run 0 "$rankine" train demo/synth.yaml --run lightgcn "${small[@]}" --set train.epochs=1 \
    --set model.dim=8
run 0 "$rankine" train demo/solved.yaml --run knn "${small[@]}" --set model.kind=item_knn \
    --set eval.select=last
run 0 "$rankine" train demo/synth.yaml --run neumf "${small[@]}" --set model.kind=neumf \
    --set train.epochs=1 --set model.dim=8
run 0 "$rankine" train demo/synth.yaml --run fm "${small[@]}" --set model.kind=fm \
    --set train.epochs=1 --set model.dim=8 \
    --set 'data.fields=[{name: before, derive: previous_item}]'

# ---- HTTP and the command line say the same ----
for kind in lightgcn knn neumf; do
    run 0 python3 "$serve/equal.py" $kind --users 300 --lists 2
    prints "0 differ"
done
run 0 python3 "$serve/equal.py" fm --users 300 --lists 2 --context before=3
prints "0 differ"

# An item that only a held-out row has is like nothing, also to a model that reads contexts.
python3 - <<'PYTHON' >late.csv
print("user,item,time")
for user in range(1, 21):
    for step in range(6):
        print(f"{user},{(user + step * step) % 15 + 1},{step}")
print("7,99,6")
PYTHON
cat >late.yaml <<'CONFIG'
data:
    sources: [{file: late.csv, user: user, item: item, time: time}]
    fields: [{name: before, derive: previous_item}]
split: {kind: leave_one_out, order: time, ties: row}
model: {kind: fm, dim: 8}
train: {epochs: 1}
CONFIG
run 0 "$rankine" train late.yaml --run late "${small[@]}"
run 0 "$rankine" similar late --items 99 --json
json 'j[0]["basis"] == "untrained" and j[0]["similar"] == []'
run 0 python3 "$serve/equal.py" late --users 20 --lists 5 --context before=3
prints "0 differ"

# ---- lists, limits, tokens, reloads ----
echo "a-token-for-this-test-alone" >token
cp -r lightgcn served
cat >ask.py <<'PYTHON'
import base64, hashlib, json, os, re, shutil, signal, sys, threading, time
from server import Server, quote

def check(what, true):
    if not true:
        sys.exit(f"not so: {what}")

def wait_for(what, true):
    end = time.monotonic() + 30
    while not true():
        check(what, time.monotonic() < end)
        time.sleep(0.02)

def counts(client, name):
    lines = client.raw("GET", "/metrics")[2].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

with Server("served", "--token-file", "token", "--max-top", "50",
            "--allow-origin", "https://shop.example.org") as server:
    client, stranger = server.client(token=open("token").read().strip()), server.client()
    info = client.get("/api/v1/info")
    check("the run is told", (info["model"], info["users"], info["items"], info["epoch"]) ==
          ("lightgcn", 300, 120, 1))

    # lists: as many as there are, without what is known, denied, or not allowed
    body = {"items": ["1"], "exclude": ["3", "5"], "n": 50}
    parts = [client.get("/api/v1/recommendations", {**body, "offset": at})["recommendations"]
             for at in (0, 50, 100)]
    check("n answers as long as there are some", [len(part) for part in parts] == [50, 50, 17])
    ids = [x["item"] for part in parts for x in part]
    check("each once, none of the denied", len(set(ids)) == 117 and not {"1", "3", "5"} & set(ids))
    mine = client.get("/api/v1/users/7/recommendations?n=5&exclude=3&exclude=5")
    check("a user, too", len(mine["recommendations"]) == 5 and mine["known_items"] > 0)
    among = client.get("/api/v1/recommendations", {"items": ["1"], "among": ["1", "2", "4", "6"],
                                                   "exclude": ["4"], "n": 10})
    check("only allowed ones", {x["item"] for x in among["recommendations"]} == {"2", "6"})
    one = client.get("/api/v1/recommendations", {"items": ["1"], "reasons": 1})["recommendations"]
    check("exact reasons", len(one) == 10 and all(
        x["reasons_exact"] and abs(float(x["reasons"][0]["share"]) - 1) < 1e-6 for x in one))
    batch = client.get("/api/v1/batch", {"users": ["1", "none", "2"], "n": 2})["results"]
    check("a batch in its order", [x["user"] for x in batch] == ["1", "none", "2"])
    unknown = client.get("/api/v1/users/none/recommendations")
    check("strangers get what is popular", unknown["basis"] == "popularity" and
          unknown["unknown_user"] is True)
    found = client.get("/api/v1/items?q=" + client.get("/api/v1/items/3")["label"].split()[0])
    check("titles are found", found["found"] > 0)
    check("the same seed, the same items", client.get("/api/v1/items/random?seed=5&n=7") ==
          client.get("/api/v1/items/random?seed=5&n=7"))
    popular = [x["users"] for x in client.get("/api/v1/items/popular?n=20")["items"]]
    check("popular ones first", popular == sorted(popular, reverse=True) and len(popular) == 20)

    # gorse's forms
    check("gorse's recommendations", client.get("/api/recommend/7?n=3") ==
          [x["item"] for x in client.get("/api/v1/users/7/recommendations?n=3")["recommendations"]])
    near = client.get("/api/item/3/neighbors/?n=3")
    check("gorse's neighbours", [x["Id"] for x in near] ==
          [x["item"] for x in client.get("/api/v1/items/3/similar?n=3")["similar"]])
    best = client.get("/api/v1/recommendations", {"items": ["3"], "n": 2})["recommendations"]
    check("gorse's sessions", client.get("/api/session/recommend?n=2", [{"ItemId": "3"}]) ==
          [{"Id": x["item"], "Score": x["score"]} for x in best])

    counted = counts(client, "rankine_answers_total")
    client.get("/api/recommend/7")
    client.get("/api/session/recommend", [{"ItemId": "3"}])
    check("gorse's answers are counted", counts(client, "rankine_answers_total") == counted + 2)

    # who may ask what
    status, headers, _ = stranger.raw("GET", "/api/v1/info")
    check("a token is wanted", status == 401 and "www-authenticate" in headers)
    check("health has no token", stranger.raw("GET", "/health/ready")[0] == 200)
    check("gorse's header", stranger.raw("GET", "/api/v1/info", headers={
        "X-API-Key": "a-token-for-this-test-alone"})[0] == 200)
    for origin, wanted in (("https://shop.example.org", "https://shop.example.org"),
                           ("https://shop.example.org.evil", None)):
        headers = client.raw("GET", "/api/v1/info", headers={"Origin": origin})[1]
        check(f"CORS of {origin}", headers.get("access-control-allow-origin") == wanted)
    check("more than --max-top", client.ask("/api/v1/items/popular?n=51")[0] == 400)
    check("no such item", client.ask("/api/v1/items/99999")[0] == 404)
    check("an empty id in a body", client.ask("/api/v1/batch", {"users": [""]})[0] == 422)
    long_id = "\u20ac" * 1000  # 3,000 bytes, and 9,000 in an address
    status, problem = client.ask("/api/v1/users/" + quote(long_id) + "/recommendations")[:2]
    check("an id that no address holds", status == 414 and problem["detail"] ==
          "the address is longer than 4096 bytes; a user with such an id is asked for in the body "
          "of POST /api/v1/batch")
    batch = client.get("/api/v1/batch", {"users": [long_id], "n": 2})["results"]
    check("but a body", batch[0]["user"] == long_id)
    some = [x["item"] for x in client.get("/api/v1/items/random?n=50")["items"]]
    check("random items, each once", len(set(some)) == len(some) == 50)

    # what is built in
    status, headers, page = stranger.raw("GET", "/")
    check("the page is small", status == 200 and len(page) < 40000)
    policy = headers["content-security-policy"]
    for tag in (b"script", b"style"):
        inside = re.search(b"<%s>(.*?)</%s>" % (tag, tag), page, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
        check("the policy names " + digest, f"{tag.decode()}-src 'sha256-{digest}'" in policy)
    check("the policy allows nothing else", "'unsafe" not in policy and "http" not in policy and
          "default-src 'none'" in policy)
    check("nothing is fetched from elsewhere", b"http://" not in page and b"https://" not in page)
    text = client.raw("GET", "/openapi.json")[2].decode()
    source = open(os.environ["RANKINE_SOURCE"] + "/src/serve/routes.c").read()
    routes = set(re.findall(r'{"(GET|POST)", "(/[^"]+)"', source)) - {
        ("GET", "/openapi.json"), ("GET", "/api/item/{item}/neighbors")}
    described = json.loads(text)["paths"]
    check("every route is described, and no other", routes == {
        (method.upper(), path) for path in described for method in described[path]})
    check("examples instead of placeholders", "@" not in text)
    limits = {p["operationId"]: q["schema"] for p in (described["/api/v1/items"]["get"],)
              for q in p["parameters"] if q.get("name") == "n"}
    limits["usual"] = json.loads(text)["components"]["parameters"]["n"]["schema"]
    check(f"the description has the limits of this service: {limits}",
          [(x["maximum"], x["default"]) for x in limits.values()] == [(50, 20), (50, 10)])

    # another run under the same name, without a lost request
    failed, asked, ends = [], [0], threading.Event()
    def ask_on():
        mine = server.client(token="a-token-for-this-test-alone")
        while not ends.is_set():
            status, answer = mine.ask("/api/v1/users/3/recommendations?n=5&reasons=1")
            asked[0] += 1
            if status != 200:
                failed.append((status, answer))
    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    [t.start() for t in threads]
    shutil.rmtree("served")
    shutil.copytree("knn", "served")
    server.signal(signal.SIGHUP)
    wait_for("SIGHUP takes the new run", lambda: client.get("/api/v1/info")["model"] == "item_knn")
    check("neighbours have no dimension", info["dim"] == 8 and
          client.get("/api/v1/info")["dim"] is None)
    shutil.rmtree("served")
    shutil.copytree("lightgcn", "served")
    with open("served/best.h5", "r+b") as file:
        file.truncate(1000)
    status, answer = client.ask("/admin/reload", {})
    wait_for("a broken run is counted", lambda: counts(
        client, 'rankine_reloads_total{result="failed"}') == 1)
    check("the old one stays", client.get("/api/v1/info")["model"] == "item_knn")
    ends.set()
    [t.join() for t in threads]
    check(f"no request was lost: {failed[:2]}", not failed and asked[0] > 20)

    check("it ends with 0", server.stop() == 0)
    said = server.text()
    check("no sanitizer has complained: " + said,
          "anitizer" not in said and "runtime error" not in said)
PYTHON
run 0 python3 ask.py

# ---- hostile requests ----
"$rankine" serve knn --listen 127.0.0.1:0 >server.log 2>&1 &
server=$!
for _ in $(seq 200); do
    port=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' server.log | head -1 | grep -oE '[0-9]+$') && break
    sleep 0.05
done
run 0 python3 "$serve/hostile.py" 127.0.0.1 "$port"
prints "0 failed"
kill -TERM $server
wait $server || fail "SIGTERM: exit code $?"
! grep -qE 'anitizer|runtime error' server.log || fail "$(cat server.log)"

finish
