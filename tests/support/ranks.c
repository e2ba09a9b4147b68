#include "support/ranks.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/timer.h"
#include "dist/internal.h"
#include "support/support.h"

typedef struct frame {
    int64_t n;
    int64_t channel;
} frame;

/* Bytes that came before anybody waited for them. */
typedef struct early {
    struct early *next;
    frame head;
    char bytes[];
} early;

enum { MOST_WAITING = 64 };

typedef struct line { /* to one peer */
    int socket;
    rk_message *sends[MOST_WAITING], *receives[MOST_WAITING];
    int n_sends, n_receives;
    int64_t sent; /* of the first send, its head included */
    early *arrived, **last;
    frame head;
    int64_t got; /* of the frame that comes in, its head included */
    early *coming;
} line;

static struct {
    int rank, size;
    line lines[TEST_RANKS_MOST];
} here;

static void drop(rk_message **list, int *n, int i)
{
    memmove(list + i, list + i + 1, (size_t)(*n - i - 1) * sizeof *list);
    (*n)--;
}

static void hand_over(line *l)
{
    for (early **at = &l->arrived; *at;) {
        early *e = *at;
        int i = 0;
        while (i < l->n_receives && (int64_t)l->receives[i]->channel != e->head.channel) {
            i++;
        }
        if (i == l->n_receives) {
            at = &e->next;
            continue;
        }
        rk_message *m = l->receives[i];
        m->got = e->head.n;
        memcpy(m->bytes, e->bytes, (size_t)(m->got < m->n ? m->got : m->n));
        m->is_done = true;
        drop(l->receives, &l->n_receives, i);
        *at = e->next;
        free(e);
    }
    l->last = &l->arrived;
    while (*l->last) {
        l->last = &(*l->last)->next;
    }
}

static void push(line *l)
{
    while (l->n_sends > 0) {
        rk_message *m = l->sends[0];
        frame head = {m->n, m->channel};
        int64_t all = (int64_t)sizeof head + m->n;
        const char *from = l->sent < (int64_t)sizeof head
                               ? (const char *)&head + l->sent
                               : (const char *)m->bytes + l->sent - (int64_t)sizeof head;
        int64_t n = (l->sent < (int64_t)sizeof head ? (int64_t)sizeof head : all) - l->sent;
        ssize_t k = n > 0 ? send(l->socket, from, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (k < 0) {
            return; /* full, or nobody there any more */
        }
        l->sent += k;
        if (l->sent == all) {
            m->is_done = true;
            l->sent = 0;
            drop(l->sends, &l->n_sends, 0);
        }
    }
}

static void pull(line *l)
{
    for (;;) {
        char *to = (char *)&l->head + l->got;
        int64_t n = (int64_t)sizeof l->head - l->got;
        if (n <= 0) {
            if (!l->coming) {
                l->coming = malloc(sizeof *l->coming + (size_t)l->head.n);
                l->coming->next = NULL;
                l->coming->head = l->head;
            }
            to = l->coming->bytes + l->got - (int64_t)sizeof l->head;
            n = (int64_t)sizeof l->head + l->head.n - l->got;
        }
        ssize_t k = n > 0 ? recv(l->socket, to, (size_t)n, MSG_DONTWAIT) : 0;
        if (k < 0 || (k == 0 && n > 0)) {
            return;
        }
        l->got += k;
        if (l->coming && l->got == (int64_t)sizeof l->head + l->head.n) {
            *l->last = l->coming;
            l->last = &l->coming->next;
            l->coming = NULL;
            l->got = 0;
        }
    }
}

/* ---- the transport ---- */

static void describe(char *out, size_t size)
{
    snprintf(out, size, "sockets of a test");
}

static bool open_sockets(int *out_rank, int *out_size, char text[RK_TRANSPORT_TEXT])
{
    (void)text;
    *out_rank = here.rank;
    *out_size = here.size;
    return true;
}

static bool start(rk_message *m, char text[RK_TRANSPORT_TEXT])
{
    line *l = &here.lines[m->peer];
    rk_message **list = m->is_send ? l->sends : l->receives;
    int *n = m->is_send ? &l->n_sends : &l->n_receives;
    if (*n == MOST_WAITING) {
        snprintf(text, RK_TRANSPORT_TEXT, "too many messages");
        return false;
    }
    m->is_done = false;
    list[(*n)++] = m;
    push(l);
    return true;
}

static bool test(rk_message *m, char text[RK_TRANSPORT_TEXT])
{
    line *l = &here.lines[m->peer];
    (void)text;
    push(l);
    pull(l);
    hand_over(l);
    return true;
}

static bool cancel(rk_message *m)
{
    line *l = &here.lines[m->peer];
    rk_message **list = m->is_send ? l->sends : l->receives;
    int *n = m->is_send ? &l->n_sends : &l->n_receives;
    for (int i = *n - 1; i >= 0; i--) {
        if (list[i] == m) {
            if (m->is_send && i == 0 && l->sent > 0) { /* half of it is out: nothing can follow */
                close(l->socket);
                l->socket = -1;
                l->sent = 0;
            }
            drop(list, n, i);
        }
    }
    return true;
}

static void close_sockets(bool is_clean)
{
    (void)is_clean;
    for (int r = 0; r < here.size; r++) {
        line *l = &here.lines[r];
        while (l->arrived) {
            early *next = l->arrived->next;
            free(l->arrived);
            l->arrived = next;
        }
        free(l->coming);
        l->coming = NULL;
    }
}

static const rk_transport transport = {
    .version = RK_TRANSPORT_VERSION,
    .describe = describe,
    .open = open_sockets,
    .start = start,
    .test = test,
    .cancel = cancel,
    .close = close_sockets,
};

/* ---- ranks ---- */

typedef struct shared { /* by all ranks and the test */
    char says[TEST_RANKS_MOST][2048];
    _Atomic int started;
} shared;

static int be_rank(const rk_comm_options *options, test_rank_work work, void *user, shared *s)
{
    rk_comm *comm = NULL;
    s->started++;
    while (s->started < here.size) { /* who is killed at once has been seen by the others */
        usleep(100);
    }
    rk_status status = rk__comm_open_over(&transport, options, &comm);
    if (status == RK_OK) {
        status = work(comm, user);
    }
    if (status != RK_OK) {
        snprintf(s->says[here.rank], sizeof s->says[0], "%s", rk_last_error());
    }
    rk__comm_close(comm, status);
    return rk_status_exit_code(status);
}

/* sockets[a][b]: the end of a to b. */
static void make_sockets(int n, int sockets[TEST_RANKS_MOST][TEST_RANKS_MOST])
{
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < a; b++) {
            int pair[2];
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
            sockets[a][b] = pair[0];
            sockets[b][a] = pair[1];
        }
    }
}

/* All but those of rank `mine`; -1 = all. */
static void close_others(int n, int sockets[TEST_RANKS_MOST][TEST_RANKS_MOST], int mine)
{
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n && a != mine; b++) {
            if (a != b) {
                close(sockets[a][b]);
            }
        }
    }
}

static void become(int rank, int n, int sockets[TEST_RANKS_MOST][TEST_RANKS_MOST])
{
    here.rank = rank;
    here.size = n;
    close_others(n, sockets, rank);
    for (int r = 0; r < n; r++) {
        here.lines[r].socket = r == rank ? -1 : sockets[rank][r];
        here.lines[r].last = &here.lines[r].arrived;
    }
}

static void await(int n, pid_t *processes, double began, test_rank_end *ends)
{
    for (int left = n; left > 0 && rk__now() - began < 240;) {
        int code = 0;
        pid_t ended = waitpid(-1, &code, WNOHANG);
        for (int r = 0; r < n && ended > 0; r++) {
            if (processes[r] == ended) {
                processes[r] = 0;
                ends[r].code = WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
                ends[r].seconds = rk__now() - began;
                left--;
            }
        }
        usleep(ended > 0 ? 0 : 1000);
    }
}

void test_ranks(int n, const rk_comm_options *options, test_rank_work work, void *user,
                test_rank_end ends[])
{
    static const rk_comm_options usual = {.patience = 120};
    int sockets[TEST_RANKS_MOST][TEST_RANKS_MOST];
    pid_t processes[TEST_RANKS_MOST];
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    assert_true(n <= TEST_RANKS_MOST);
    make_sockets(n, sockets);
    fflush(NULL);
    double began = rk__now();
    for (int r = 0; r < n; r++) {
        processes[r] = fork();
        assert_true(processes[r] >= 0);
        if (processes[r] == 0) {
            become(r, n, sockets);
            _exit(be_rank(options ? options : &usual, work, user, s));
        }
    }
    close_others(n, sockets, -1);
    await(n, processes, began, ends);
    for (int r = 0; r < n; r++) {
        snprintf(ends[r].says, sizeof ends[r].says, "%s", s->says[r]);
        if (processes[r] > 0) {
            kill(processes[r], SIGKILL);
            waitpid(processes[r], NULL, 0);
            fail_msg("rank %d of %d hangs", r, n);
        }
    }
    munmap(s, sizeof *s);
}
