#!/usr/bin/env bash
# rankine serve begins and ends: bad starts are one sentence, sockets are left as they should be,
# tokens and origins are asked for, feedback is read by prepare, nobody is lost when it ends.
. "$(dirname "$0")/lib.sh"

"$rankine" serve nothing 2>&1 | grep -q 'was built without its service' && {
    echo "skip: this build has no rankine serve"
    exit 77
}
small_data demo
run 0 "$rankine" train demo/synth.yaml --run one --device cpu --quiet --set train.epochs=1
server=""
url=""

# start OPTIONS...: a service, its process in `server`, its address in `url`
start() {
    rm -f listening
    "$rankine" serve "$@" >listening 2>messages </dev/null &
    server=$!
    for _ in $(seq 400); do
        [ ! -s listening ] || break
        kill -0 $server 2>/dev/null || break
        sleep 0.05
    done
    url=$(sed -n 's/^listening on //p' listening)
    [ -n "$url" ] || fail "no service: $(cat messages)"
}

# stop CODE [SIGNAL]
stop() {
    local code=0
    kill "-${2:-TERM}" $server
    wait $server || code=$?
    [ $code = "$1" ] || fail "the service ended with $code, expected $1: $(cat messages)"
}

# ask STATUS METHOD PATH [HEADER=VALUE...] [-- BODY]; the answer is in the file out
ask() {
    command_line="ask $*"
    python3 - "$url" "$@" >out 2>err <<'PYTHON' || fail "$(cat err)"
import http.client, socket, sys, urllib.parse
url, status, method, path, *more = sys.argv[1:]
body = None
if "--" in more:
    body = more[more.index("--") + 1].encode()
    more = more[:more.index("--")]
if url.startswith("unix:"):
    c = http.client.HTTPConnection("localhost")
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(url[5:])
else:
    c = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=20)
headers = {"Content-Type": "application/json"} if body is not None else {}
c.request(method, path, body, {**headers, **dict(h.split("=", 1) for h in more)})
r = c.getresponse()
print(r.headers)
print(r.read().decode())
sys.exit(f"status {r.status}, expected {status}" if str(r.status) != status else 0)
PYTHON
}

# ---- bad starts ----
run 2 "$rankine" serve
run 3 "$rankine" serve nowhere --listen 127.0.0.1:0
says nowhere
no_output
mkdir empty
run 3 "$rankine" serve empty --listen 127.0.0.1:0
no_output
for where in nonsense 127.0.0.1 127.0.0.1: 127.0.0.1:x 127.0.0.1:999999 127.0.0.1:65536 ::1:80 \
    '[::1]' unix:; do
    run 2 "$rankine" serve one --listen "$where"
    says --listen
done
run 3 "$rankine" serve one --listen 192.0.2.1:0
says 'no such address'
echo short >short.txt
printf 'two\nlines of which each is long enough\n' >two.txt
for file in short.txt two.txt /dev/null; do
    run 2 "$rankine" serve one --listen 127.0.0.1:0 --token-file "$file"
    says "$file" 'one line'
done
run 3 "$rankine" serve one --listen 127.0.0.1:0 --token-file missing.txt
says missing.txt
run 3 "$rankine" serve one --listen 127.0.0.1:0 --feedback no/folder/liked.jsonl
says no/folder/liked.jsonl
run 2 "$rankine" serve one --listen 127.0.0.1:0 --allow-origin shop.example
says --allow-origin https://
echo text >file
run 2 "$rankine" serve one --listen unix:file
says 'something else than a socket'
[ "$(cat file)" = text ] || fail "--listen unix: has touched a file"

# ---- a port, twice ----
start one --listen 127.0.0.1:0
run 3 "$rankine" serve one --listen "$(echo "$url" | grep -oE '127[0-9.:]+')"
says 'another program listens there'
ask 200 GET /health/live
ask 200 GET /health/ready
ask 421 GET /api/v1/info Host=evil.example
ask 403 POST /admin/reload
ask 404 POST /api/v1/feedback -- '{"user": 1, "item": 2}'
ask 200 GET /metrics
prints 'rankine_model_info{run="one"'
stop 0
run 0 grep -c 'ending' messages

# ---- a socket with a path, left over by a crash and removed at the end ----
start one --listen unix:here.sock
ask 200 GET /api/v1/info
run 3 "$rankine" serve one --listen unix:here.sock
says 'another program listens there'
[ -S here.sock ] || fail "the second service has removed the first one's socket"
stop 137 KILL
[ -S here.sock ] || fail "no socket is left by a crash"
start one --listen unix:here.sock --threads 1
ask 200 GET /api/v1/users/1/recommendations
stop 0 INT

# one that ends leaves the socket of the next one, which began while it was answering
start one --listen unix:here.sock --threads 1
first=$server
mv here.sock was.sock
start one --listen unix:here.sock --threads 1
kill -TERM "$first"
wait "$first" || fail "a service whose socket was replaced ended with $?"
[ -S here.sock ] || fail "a service that ended has removed the socket of another one"
stop 0
rm -f was.sock
absent here.sock

# ---- a token, origins, other machines ----
echo 0123456789abcdef-token >token.txt
start one --listen 0.0.0.0:0 --token-file token.txt --allow-origin https://shop.example
! grep -q warning messages || fail "a warning in spite of the token: $(cat messages)"
url=$(echo "$url" | sed 's/0\.0\.0\.0/127.0.0.1/')
ask 401 GET /api/v1/info
prints 'WWW-Authenticate: Bearer'
ask 401 GET /api/v1/info Authorization='Bearer 0123456789abcdef-tokem'
ask 200 GET /api/v1/info Authorization='Bearer 0123456789abcdef-token' Origin=https://shop.example
prints 'Access-Control-Allow-Origin: https://shop.example'
ask 200 GET /health/ready
ask 200 GET /
prints 'Content-Security-Policy'
ask 401 POST /admin/reload
ask 200 POST /admin/reload X-API-Key=0123456789abcdef-token
ask 204 OPTIONS /api/v1/batch Origin=https://shop.example
prints 'Access-Control-Allow-Methods: POST'
ask 204 OPTIONS /api/v1/batch Origin=https://evil.example
! grep -q Access-Control out || fail "CORS for everybody"
stop 0
start one --listen 0.0.0.0:0
grep -q 'warning.*--token-file' messages || fail "no warning: $(cat messages)"
stop 0

# ---- feedback, read by prepare ----
start one --listen 127.0.0.1:0 --feedback liked.jsonl
ask 202 POST /api/v1/feedback -- '{"user": "7", "item": 12, "time": 1700000000}'
ask 202 POST /api/v1/feedback -- '{"user": "9", "item": "13"}'
ask 422 POST /api/v1/feedback -- '{"user": "somebody", "item": "13"}'
# what would stop the next run, or make its times milliseconds
ask 422 POST /api/v1/feedback -- '{"user": "-7", "item": "13"}'
ask 422 POST /api/v1/feedback -- '{"user": "9", "item": "13", "time": 200000000000}'
ask 415 POST /api/v1/feedback Content-Type=text/plain -- '{"user": "9", "item": "13"}'
stop 0
[ "$(wc -l <liked.jsonl)" = 2 ] || fail "feedback: $(cat liked.jsonl)"
cat >liked.yaml <<'CONFIG'
data:
    sources:
        - {file: liked.jsonl, format: jsonl, part: train, user: user, item: item, time: time}
        - {file: liked.jsonl, format: jsonl, part: test, user: user, item: item, time: time}
CONFIG
run 0 "$rankine" prepare liked.yaml --json
json 'j["users"] == 2 and j["items"] == 2'

# ---- clients who keep connections and say little ----
start one --listen 127.0.0.1:0 --per-address 3 --request-seconds 3
command_line="three slow clients"
python3 - "$url" >out 2>err <<'PYTHON' || fail "$(cat err)"
import http.client, socket, sys, time, urllib.parse
host = urllib.parse.urlsplit(sys.argv[1])
def connect():
    return socket.create_connection((host.hostname, host.port), timeout=20)
def end_of(s):
    """What is still said, until the end."""
    got = b""
    try:
        while part := s.recv(1000):
            got += part
    except ConnectionError:
        pass
    return got
begin = time.monotonic()
slow = [connect() for _ in range(3)]
slow[0].sendall(b"GET /health/live HTTP/1.1\r\nHost: ")
slow[1].sendall(b"GET /hea")
for s in slow:  # they are there when the fourth comes
    time.sleep(0.05)
assert end_of(connect()) == b"", "a fourth connection is borne"
words = [end_of(s) for s in slow]
assert words[0].startswith(b"HTTP/1.1 408 "), words
assert words[1:] == [b"", b""], words
assert time.monotonic() - begin < 40
c = http.client.HTTPConnection(host.netloc, timeout=20)
for wait in (0, 4):  # who has asked before is kept for longer than a request may take
    time.sleep(wait)
    c.request("GET", "/metrics")
    answer = c.getresponse().read().decode()
assert 'rankine_rejected_total{reason="address"} 1\n' in answer, answer
assert 'rankine_rejected_total{reason="deadline"} 3\n' in answer, answer
PYTHON
stop 0

# ---- many requests at once on one connection, answered in their order ----
start one --listen 127.0.0.1:0
command_line="requests behind each other"
python3 - "$url" >out 2>err <<'PYTHON' || fail "$(cat err)"
import http.client, json, socket, sys, urllib.parse
host = urllib.parse.urlsplit(sys.argv[1])
s = socket.create_connection((host.hostname, host.port), timeout=20)
users = [str(u % 50 + 1) for u in range(100)]
s.sendall(b"".join(b"GET /api/v1/users/%s/recommendations?n=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                   % u.encode() for u in users))
answers = s.makefile("rb")
for user in users:
    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
    length = int(http.client.parse_headers(answers)["Content-Length"])
    assert json.loads(answers.read(length))["user"] == user
PYTHON
stop 0

# ---- a link that leads to another run ----
run 0 "$rankine" train demo/synth.yaml --run two --device cpu --quiet --set train.epochs=2
ln -s one current
start current --watch --listen 127.0.0.1:0
ask 200 GET /api/v1/info
prints '"epoch": 1'
ln -sfn two current
for _ in $(seq 400); do
    ! grep -q 'is served' messages || break
    sleep 0.05
done
ask 200 GET /api/v1/info
prints '"epoch": 2'
stop 0

# ---- who asks for a run while another one is being opened gets the one that is there then ----
cp -r one stuck
rm stuck/config.yaml
mkfifo stuck/config.yaml
ln -sfn one current
start current --token-file token.txt --listen 127.0.0.1:0
command_line="a reload during a reload"
python3 - "$url" $server >out 2>err <<'PYTHON' || fail "$(cat err)"
import http.client, json, os, sys, threading, time, urllib.parse
host = urllib.parse.urlsplit(sys.argv[1]).netloc
answers = {}
def reload(name):
    c = http.client.HTTPConnection(host, timeout=60)
    c.request("POST", "/admin/reload", headers={"X-API-Key": "0123456789abcdef-token"})
    r = c.getresponse()
    answers[name] = r.status, json.loads(r.read())
def until_it_opens():
    """Until a thread of the service waits in open(), or two seconds where the system hides it."""
    tasks, end = f"/proc/{sys.argv[2]}/task", time.monotonic() + 60
    shown = os.access(f"{tasks}/{sys.argv[2]}/wchan", os.R_OK)
    while shown and time.monotonic() < end:
        for task in os.listdir(tasks):
            try:
                with open(f"{tasks}/{task}/wchan") as file:
                    where = file.read()
            except OSError:
                continue  # it has ended
            if "wait_for_partner" in where:
                return
            if where == "0" and task == sys.argv[2]:
                shown = False
        time.sleep(0.02)
    time.sleep(2)
def writer():
    """Of the pipe, once there is who reads."""
    while True:
        try:
            return os.open("stuck/config.yaml", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
def turn(to):
    os.symlink(to, "next")
    os.rename("next", "current")
turn("stuck")
first = threading.Thread(target=reload, args=("first",))
first.start()
until_it_opens()
assert not answers, answers  # it waits for somebody who writes into the pipe
turn("two")
second = threading.Thread(target=reload, args=("second",))
second.start()
time.sleep(0.5)
assert not answers, answers
os.close(writer())
first.join()
second.join()
assert answers["first"][0] == 409, answers
status, run = answers["second"]
assert status == 200 and run["epoch"] == 2, answers
PYTHON
stop 0

# ---- the end: whoever has asked is answered, and /health/ready says no ----
start one --listen 127.0.0.1:0
command_line="the end"
python3 - "$url" $server >out 2>err <<'PYTHON' || fail "$(cat err)"
import http.client, os, signal, sys, threading, time, urllib.parse
host = urllib.parse.urlsplit(sys.argv[1]).netloc
answered, lost, ended = [0] * 8, [], threading.Event()
def client(i):
    c = http.client.HTTPConnection(host, timeout=20)
    c.connect()
    while not ended.is_set():
        try:
            c.request("GET", f"/api/v1/users/{i + 1}/recommendations?n=5")
            r = c.getresponse()
            r.read()
            assert r.status == 200, r.status
            answered[i] += 1
            if r.getheader("Connection") == "close":
                return
        except Exception as error:
            lost.append(repr(error))
            return
threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
for t in threads: t.start()
while min(answered) < 20: time.sleep(0.01)
waiting = http.client.HTTPConnection(host, timeout=20)
waiting.connect()
time.sleep(0.1)
os.kill(int(sys.argv[2]), signal.SIGTERM)
status = 200
while status == 200:  # until it has heard
    waiting.request("GET", "/health/ready")
    answer = waiting.getresponse()
    answer.read()
    status = answer.status
assert status == 503, status
for t in threads: t.join()
assert not lost, lost
print(sum(answered), "answered, none lost")
PYTHON
cat out
wait $server || fail "the service ended with $?: $(cat messages)"

# ---- a service manager is told, and takes the unit of the docs ----
python3 - notify.sock >notified <<'PYTHON' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
while True:
    print(s.recv(100).decode(), flush=True)
PYTHON
manager=$!
for _ in $(seq 200); do
    [ ! -S notify.sock ] || break
    sleep 0.05
done
NOTIFY_SOCKET=$scratch/notify.sock start one --listen 127.0.0.1:0 --quiet
[ ! -s messages ] || fail "--quiet says: $(cat messages)"
stop 0
for _ in $(seq 200); do
    [ "$(wc -l <notified)" -lt 2 ] || break
    sleep 0.05
done
kill $manager
[ "$(tr '\n' ' ' <notified)" = "READY=1 STOPPING=1 " ] ||
    fail "the manager was told: $(cat notified)"
if command -v systemd-analyze >/dev/null; then
    mkdir units
    sed "s|/opt/rankine/bin/rankine|$(command -v "$rankine" || echo "$rankine")|" \
        "$RANKINE_SOURCE/docs/examples/rankine.service" >units/rankine.service
    run 0 systemd-analyze verify units/rankine.service
    silent
fi

finish
