/* What all ranks must have the same, and how they end together. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "dist/internal.h"

/* ---- agreement ---- */

/* The first line of a and that of b where they differ. */
static void first_difference(const char **a, const char **b)
{
    while (**a) {
        size_t length = strcspn(*a, "\n");
        if (length != strcspn(*b, "\n") || strncmp(*a, *b, length) != 0) {
            return;
        }
        *a += length + ((*a)[length] == '\n');
        *b += length + ((*b)[length] == '\n');
    }
}

static rk_status compare(const rk_comm *comm, rk_status differs, const char *what,
                         const char *const *texts)
{
    for (int r = 1; r < comm->size; r++) {
        const char *ours = texts[0], *theirs = texts[r];
        if (strcmp(ours, theirs) != 0) {
            first_difference(&ours, &theirs);
            RK_FAIL(differs,
                    "rank %d has another %s than rank 0: '%.*s' there, '%.*s' on rank 0; start all "
                    "ranks with the same one",
                    r, what, (int)strcspn(theirs, "\n"), theirs, (int)strcspn(ours, "\n"), ours);
        }
    }
    return RK_OK;
}

rk_status rk__comm_agree(rk_comm *comm, rk_status differs, const char *what, const char *text)
{
    int64_t length = (int64_t)strlen(text) + 1, total = 0;
    int64_t *lengths = NULL;
    const char **texts = NULL;
    char *all = NULL;
    rk_status status = RK_OK;
    if (comm->size == 1) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__alloc(&lengths, 2 * (int64_t)comm->size, sizeof *lengths, what));
    RK_TRY_GOTO(done, rk__alloc(&texts, comm->size, sizeof *texts, what));
    rk__round_equal(comm, sizeof length, lengths + comm->size);
    RK_TRY_GOTO(done,
                rk__comm_gather(comm, what, &length, lengths + comm->size, RK_COMM_ALL, lengths));
    for (int r = 0; r < comm->size; r++) {
        total += lengths[r];
    }
    RK_TRY_GOTO(done, rk__alloc(&all, total, 1, what));
    RK_TRY_GOTO(done, rk__comm_gather(comm, what, text, lengths, RK_COMM_ALL, all));
    char *at = all;
    for (int r = 0; r < comm->size; r++) {
        texts[r] = at;
        at += lengths[r];
        at[-1] = '\0';
    }
    status = compare(comm, differs, what, texts);

done:
    rk__free(all);
    rk__free((void *)texts);
    rk__free(lengths);
    return status;
}

rk_status rk__comm_all_ok(rk_comm *comm, const char *what, rk_status mine)
{
    rk_farewell said = {.status = (int32_t)mine, .rank = comm->rank};
    int64_t *sizes = NULL;
    rk_farewell *all = NULL;
    rk_status status = RK_OK;
    if (comm->size == 1 || comm->is_lost) {
        return mine;
    }
    snprintf(said.text, sizeof said.text, "%s", mine == RK_OK ? "" : rk_last_error());
    RK_TRY_GOTO(done, rk__alloc(&sizes, comm->size, sizeof *sizes, what));
    RK_TRY_GOTO(done, rk__alloc(&all, comm->size, sizeof *all, what));
    rk__round_equal(comm, sizeof said, sizes);
    RK_TRY_GOTO(done, rk__comm_gather(comm, what, &said, sizes, RK_COMM_ALL, all));
    for (int r = 0; r < comm->size && status == RK_OK; r++) {
        status = (rk_status)all[r].status;
        if (status != RK_OK) {
            comm->farewell = all[r];
        }
        if (status != RK_OK && r != comm->rank) {
            rk__fail(status, __FILE__, __LINE__, __func__, "rank %d: %s", r, all[r].text);
        } else if (status != RK_OK) { /* what was said meanwhile is not what failed */
            rk__fail(status, __FILE__, __LINE__, __func__, "%s", said.text);
        }
    }

done:
    rk__free(all);
    rk__free(sizes);
    return status;
}

/* ---- the end ---- */

/* Seconds to wait for the others' last words: where one died the launcher kills soon; where a rank
 * ends the run the others may be in the middle of a long step. */
static const double AFTER_DEATH = 0.3, AFTER_FAILURE = 5;

static int64_t count_open(rk_comm *comm, bool *out_dead)
{
    char text[RK_TRANSPORT_TEXT];
    int64_t n = 0;
    for (int r = 0; r < comm->size; r++) {
        rk_peer *peer = &comm->peers[r];
        rk_message *both[] = {&peer->farewell, &peer->hears};
        for (int i = 0; i < 2 && r != comm->rank; i++) {
            bool is_bad = !both[i]->is_done && !comm->transport->test(both[i], text);
            *out_dead = *out_dead || is_bad || (!both[i]->is_done && rk__peer_has_ended(peer));
            n += !both[i]->is_done;
        }
    }
    return n;
}

static bool cancel_all(rk_comm *comm)
{
    bool is_free = true;
    for (int r = 0; r < comm->size; r++) {
        rk_message *both[] = {&comm->peers[r].farewell, &comm->peers[r].hears};
        for (int i = 0; i < 2 && r != comm->rank; i++) {
            is_free = (both[i]->is_done || comm->transport->cancel(both[i])) && is_free;
        }
    }
    return is_free;
}

bool rk__farewells(rk_comm *comm, rk_status status)
{
    char text[RK_TRANSPORT_TEXT];
    bool is_dead = false;
    int64_t open = 0;
    if (status != RK_OK && comm->farewell.status == RK_OK) {
        comm->farewell = (rk_farewell){.status = (int32_t)status, .rank = comm->rank};
        snprintf(comm->farewell.text, sizeof comm->farewell.text, "%s", rk_last_error());
    } else if (status == RK_OK) {
        comm->farewell = (rk_farewell){.rank = comm->rank};
    }
    for (int r = 0; r < comm->size; r++) {
        rk_message *m = &comm->peers[r].farewell;
        *m = (rk_message){.peer = r,
                          .channel = RK_CHANNEL_FAREWELLS,
                          .is_send = true,
                          .bytes = &comm->farewell,
                          .n = sizeof comm->farewell,
                          .is_done = true};
        if (r != comm->rank && !comm->transport->start(m, text)) {
            is_dead = m->is_done = true;
        }
    }
    double began = rk__now();
    while ((open = count_open(comm, &is_dead)) > 0) {
        double waited = rk__now() - began;
        double most = is_dead ? AFTER_DEATH : status != RK_OK ? AFTER_FAILURE : comm->patience;
        if (most > 0 && waited > most) {
            break;
        }
        rk__rest(waited);
    }
    bool is_clean = open == 0 && !comm->is_lost;
    bool is_free = open == 0 || cancel_all(comm);
    comm->transport->close(is_clean);
    return is_free;
}
