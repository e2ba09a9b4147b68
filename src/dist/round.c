/*
 * A round: every rank sends a message to each of the others and receives one of each. All
 * collective calls of host memory are made of rounds.
 *
 * A message begins with a head that says which call of its sender it belongs to. Ranks that are at
 * different calls find that out by the first message, instead of adding what does not belong
 * together; and a wish to stop travels in the head.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "dist/internal.h"

typedef struct head {
    int64_t call, bytes;
    int64_t tells; /* rk__comm_tell */
    int32_t kind, wants_stop;
    char what[32];
} head;

enum { HEAD = 64 };
_Static_assert(sizeof(head) == HEAD, "values behind a head are as aligned as the head");

static const char *const kinds[] = {"sum", "gather", "broadcast", "barrier"};

int64_t rk__round_limit(const rk_comm *comm)
{
    enum { MOST = 32 << 20, LEAST = 64 << 10 };
    int64_t limit = MOST / comm->size;
    return (limit < LEAST ? LEAST : limit) / HEAD * HEAD;
}

void rk__round_sizes(const rk_comm *comm, const int64_t *all_bytes, int64_t done, int64_t most,
                     int64_t *sizes)
{
    for (int r = 0; r < comm->size; r++) {
        const int64_t left = all_bytes[r] > done ? all_bytes[r] - done : 0;
        sizes[r] = left < most ? left : most;
    }
}

void rk__round_equal(const rk_comm *comm, int64_t bytes, int64_t *sizes)
{
    for (int r = 0; r < comm->size; r++) {
        sizes[r] = bytes;
    }
}

/* Of a message with its head. */
static int64_t padded(int64_t bytes)
{
    return HEAD + (bytes + HEAD - 1) / HEAD * HEAD;
}

/* One message out, which all get, and one in from each other; in a sum of many as much again goes
 * out in pieces, each with a head and its end filled up. */
int64_t rk__comm_room(const rk_comm *comm, int64_t most)
{
    const int64_t limit = rk__round_limit(comm);
    if (comm->size == 1) {
        return 0;
    }
    return comm->size * (padded(most < limit ? most : limit) + 2 * padded(0));
}

static int64_t place(int64_t *at, int64_t bytes, int64_t *end)
{
    *at = bytes < 0 ? -1 : *end;
    *end += bytes < 0 ? 0 : padded(bytes);
    return *end;
}

static rk_status grow(unsigned char **memory, int64_t *room, int64_t bytes)
{
    if (bytes > *room) {
        rk__free(*memory);
        *memory = NULL;
        *room = 0;
        RK_TRY(rk__alloc(memory, bytes, 1, "messages to other ranks"));
        *room = bytes;
    }
    return RK_OK;
}

rk_status rk__round_begin(rk_comm *comm, const rk_round *round)
{
    int64_t out_end = 0, in_end = 0;
    if (comm->is_lost || comm->has_parted) {
        RK_FAIL(RK_ERR_INTERNAL, "%s of '%s' after the ranks have %s", kinds[round->kind],
                round->what, comm->is_lost ? "lost each other" : "parted");
    }
    for (int r = 0; r < comm->size; r++) {
        if (round->is_same && round->out[r] >= 0) {
            comm->out_at[r] = 0;
            out_end = padded(round->out[r]);
        } else {
            place(&comm->out_at[r], round->out[r], &out_end);
        }
        place(&comm->in_at[r], r == comm->rank ? -1 : round->in[r], &in_end);
    }
    RK_TRY(grow(&comm->out, &comm->out_room, out_end));
    return grow(&comm->in, &comm->in_room, in_end);
}

void *rk__round_out(const rk_comm *comm, int rank)
{
    return comm->out + comm->out_at[rank] + HEAD;
}

const void *rk__round_in(const rk_comm *comm, int rank)
{
    return rank == comm->rank ? rk__round_out(comm, rank) : comm->in + comm->in_at[rank] + HEAD;
}

/* ---- messages ---- */

static void write_heads(rk_comm *comm, const rk_round *round)
{
    head h = {.call = comm->calls,
              .bytes = round->bytes,
              .tells = comm->tells,
              .kind = (int32_t)round->kind,
              .wants_stop = comm->wants_stop};
    snprintf(h.what, sizeof h.what, "%s", round->what);
    for (int r = 0; r < comm->size; r++) {
        if (comm->out_at[r] >= 0) {
            memcpy(comm->out + comm->out_at[r], &h, sizeof h);
        }
    }
}

static rk_status start_all(rk_comm *comm, const rk_round *round, int *out_n)
{
    char text[RK_TRANSPORT_TEXT];
    int n = 0;
    for (int pass = 0; pass < 2; pass++) { /* what is expected is said before anything is sent */
        for (int k = 1; k < comm->size; k++) {
            int r = (comm->rank + k) % comm->size; /* not all to rank 0 first */
            int64_t bytes = pass == 0 ? round->in[r] : round->out[r];
            if (bytes < 0) {
                continue;
            }
            rk_message *m = &comm->messages[n];
            *m = (rk_message){.peer = r,
                              .channel = RK_CHANNEL_CALLS,
                              .is_send = pass == 1,
                              .bytes = pass == 0 ? comm->in + comm->in_at[r]
                                                 : comm->out + comm->out_at[r],
                              .n = HEAD + bytes};
            if (!comm->transport->start(m, text)) {
                RK_FAIL(RK_ERR_RANKS, "rank %d cannot be reached (%s): %s", r, round->what, text);
            }
            *out_n = ++n;
            comm->bytes_sent += pass == 1 ? bytes : 0;
        }
    }
    return RK_OK;
}

/* What came beside the values. */
typedef struct carried {
    bool any_stop;
    int64_t told;
} carried;

static rk_status check_head(const rk_comm *comm, const rk_round *round, const rk_message *m,
                            carried *out)
{
    head h;
    if (m->got < HEAD) {
        RK_FAIL(RK_ERR_INTERNAL, "%s of '%s': %lld bytes came from rank %d, which are no message",
                kinds[round->kind], round->what, (long long)m->got, m->peer);
    }
    memcpy(&h, m->bytes, sizeof h);
    h.what[sizeof h.what - 1] = '\0';
    bool is_same = h.call == comm->calls && h.bytes == round->bytes &&
                   h.kind == (int32_t)round->kind &&
                   strncmp(h.what, round->what, sizeof h.what - 1) == 0;
    if (!is_same || m->got != m->n) {
        RK_FAIL(RK_ERR_INTERNAL,
                "the ranks have lost each other: rank %d is at call %lld (%s of %lld bytes, '%s'), "
                "rank %d at call %lld (%s of %lld bytes, '%s')",
                comm->rank, (long long)comm->calls, kinds[round->kind], (long long)round->bytes,
                round->what, m->peer, (long long)h.call,
                (uint32_t)h.kind <= RK_CALL_BARRIER ? kinds[h.kind] : "?", (long long)h.bytes,
                h.what);
    }
    out->any_stop = out->any_stop || h.wants_stop;
    out->told = m->peer == 0 ? h.tells : out->told;
    return RK_OK;
}

static rk_status finish_all(rk_comm *comm, const rk_round *round, int n, carried *out)
{
    char text[RK_TRANSPORT_TEXT];
    rk_wait wait = rk__wait_begin(round->what, comm->messages, n);
    for (int open = n; open > 0;) {
        for (int i = 0; i < n; i++) {
            rk_message *m = &comm->messages[i];
            if (m->is_checked) {
                continue;
            }
            if (!m->is_done && !comm->transport->test(m, text)) {
                RK_FAIL(RK_ERR_RANKS, "rank %d cannot be reached any more (%s): %s", m->peer,
                        round->what, text);
            }
            if (m->is_done && !m->is_send) {
                RK_TRY(check_head(comm, round, m, out));
            }
            m->is_checked = m->is_done;
            open -= m->is_done;
        }
        if (open > 0) {
            RK_TRY(rk__wait_turn(comm, &wait));
        }
    }
    return RK_OK;
}

/* Bytes stay where they are if the transport cannot take them back: they may still be read. */
static void give_up(rk_comm *comm, int n)
{
    bool is_free = true;
    for (int i = 0; i < n; i++) {
        rk_message *m = &comm->messages[i];
        is_free = (m->is_done || comm->transport->cancel(m)) && is_free;
    }
    if (!is_free) {
        comm->out = comm->in = NULL;
        comm->out_room = comm->in_room = 0;
    }
    comm->is_lost = true;
}

rk_status rk__round_run(rk_comm *comm, const rk_round *round)
{
    int n = 0;
    /* as our heads say it: while we wait it may change */
    carried came = {.any_stop = comm->wants_stop, .told = comm->tells};
    comm->calls++;
    write_heads(comm, round);
    rk_status status = start_all(comm, round, &n);
    status = status == RK_OK ? finish_all(comm, round, n, &came) : status;
    if (status != RK_OK) {
        give_up(comm, n);
    } else if (round->to_all) { /* else not everybody heard the same */
        comm->stop_is_wanted = comm->stop_is_wanted || came.any_stop;
        comm->told = came.told;
        comm->has_carried = true;
    }
    return status;
}
