/*
 * Users divided among ranks. Each rank ranks for a share of them, and all get all lists: whoever
 * takes them does the same on every rank. The tables that scores are made of are whole on every
 * rank, which a program `finish` may have gathered the columns for; so a few numbers a user are
 * sent, where scores summed over columns would send one for each user and item. A model that scores
 * by divided tables themselves would need the other ranks for every tile, and is refused.
 *
 * What a rank computes for a user does not depend on who else is in a tile, so all comes out as on
 * one rank.
 */
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

/* So many users a rank go at a time, for the lists' memory, progress, and who wants to stop. */
enum { MOST_SHARE = 4 * RK_RANK_TILE };

typedef struct share {
    int32_t *lists; /* [users of the rank, k]; owned */
    int64_t k;
} share;

static rk_status keep_lists(void *taker, int64_t first, int64_t n, const int32_t *items)
{
    share *s = taker;
    memcpy(s->lists + first * s->k, items, (size_t)(n * s->k) * sizeof *items);
    return RK_OK;
}

rk_status rk__scorer_check_ranks(rk_scorer *s)
{
    const rk_asker askers[] = {RK_ASKER_KNOWN, RK_ASKER_FOLDED};
    const int n = rk__instance_folds_in(&s->engine->model) ? 2 : 1;
    for (int i = 0; i < n; i++) {
        rk_variant *v = NULL;
        RK_TRY(rk__scorer_variant(s, askers[i], RK_TILE_MANY, &v));
        if (rk__program_exchanges(&v->program).calls > 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "model.kind is %s, whose scores need all columns of its tables, of which %d "
                    "ranks have some each; start one process",
                    s->engine->model.model->name, rk__comm_size(s->engine->comm));
        }
    }
    return RK_OK;
}

/* What answers are made of, by all ranks, also those without a share. */
static rk_status refresh(rk_scorer *s)
{
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__scorer_refresh(s);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* Of n users divided among ranks, those of this one. */
typedef struct span {
    int64_t begin, n;
} span;

static span own_share(const rk_comm *ranks, int64_t n)
{
    const int rank = rk__comm_rank(ranks);
    const int64_t begin = rk__comm_share(ranks, n, rank);
    return (span){begin, rk__comm_share(ranks, n, rank + 1) - begin};
}

/* ---- ranked lists ---- */

/* One share a rank of the users from o->users[first] on, n of them. */
static rk_status rank_some(rk_scorer *s, const rk_rank_order *o, int64_t first, int64_t n,
                           share *mine, int64_t *bytes, int32_t *all)
{
    rk_comm *ranks = s->engine->ranks;
    const int size = rk__comm_size(ranks);
    const span own = own_share(ranks, n);
    rk_rank_order here = *o;
    here.users += first + own.begin;
    here.rows = o->rows ? o->rows + first + own.begin : NULL;
    here.n = own.n;
    here.take = keep_lists;
    here.taker = mine;
    if (here.n > 0) {
        RK_TRY(rk__rank_here(s, &here));
    }
    for (int r = 0; r < size; r++) {
        bytes[r] = (rk__comm_share(ranks, n, r + 1) - rk__comm_share(ranks, n, r)) * o->k * 4;
    }
    RK_TRY(rk__comm_gather(ranks, "ranked lists", mine->lists, bytes, RK_COMM_ALL, all));
    return o->take(o->taker, first, n, all);
}

int64_t rk__scorer_list_bytes(const rk_scorer *s)
{
    const int64_t users = s->engine->graph.n_users / rk__comm_size(s->engine->ranks) + 1;
    return (users < MOST_SHARE ? users : MOST_SHARE) * s->sizes[RK_TILE_MANY].k * 4;
}

rk_status rk__rank_shares(rk_scorer *s, const rk_rank_order *o)
{
    const int64_t size = rk__comm_size(s->engine->ranks), most = size * MOST_SHARE;
    const int64_t room = o->n < most ? o->n : most;
    share mine = {.k = o->k};
    int32_t *all = NULL;
    int64_t *bytes = NULL;
    rk_status status = RK_OK;
    RK_TRY(refresh(s));
    RK_TRY_GOTO(done, rk__alloc(&bytes, size, sizeof *bytes, "the shares of ranks"));
    RK_TRY_GOTO(
        done, rk__alloc(&mine.lists, (room / size + 1) * o->k, sizeof *mine.lists, "ranked lists"));
    RK_TRY_GOTO(done, rk__alloc(&all, room * o->k, sizeof *all, "ranked lists"));
    for (int64_t first = 0; first < o->n && status == RK_OK; first += most) {
        const int64_t n = o->n - first < most ? o->n - first : most;
        status = rank_some(s, o, first, n, &mine, bytes, all);
    }
done:
    rk__free(bytes);
    rk__free(mine.lists);
    rk__free(all);
    return status;
}

/* ---- given items ---- */

/* values[e] of items[e] of n users: what each rank has of its share comes to all. In place. */
static rk_status gather_values(rk_comm *ranks, const char *what, int64_t n, const int64_t *offsets,
                               void *values)
{
    enum { WIDTH = 4 };
    const int size = rk__comm_size(ranks);
    char *at = values;
    int64_t *bytes = NULL;
    RK_TRY(rk__alloc(&bytes, size, sizeof *bytes, "the shares of ranks"));
    for (int r = 0; r < size; r++) {
        bytes[r] =
            (offsets[rk__comm_share(ranks, n, r + 1)] - offsets[rk__comm_share(ranks, n, r)]) *
            WIDTH;
    }
    rk_status status = rk__comm_gather(ranks, what, at + offsets[own_share(ranks, n).begin] * WIDTH,
                                       bytes, RK_COMM_ALL, at + offsets[0] * WIDTH);
    rk__free(bytes);
    return status;
}

rk_status rk__score_shares(rk_scorer *s, const rk_score_order *o, float *scores)
{
    rk_comm *ranks = s->engine->ranks;
    const span own = own_share(ranks, o->n);
    rk_score_order here = *o;
    here.users += own.begin;
    here.rows = o->rows ? o->rows + own.begin : NULL;
    here.lists.offsets += own.begin;
    here.n = own.n;
    RK_TRY(refresh(s));
    RK_TRY(rk__score_here(s, &here, scores));
    return gather_values(ranks, "scores of candidates", o->n, o->lists.offsets, scores);
}

rk_status rk__stand_shares(rk_scorer *s, const rk_standing_order *o, int32_t *above, int32_t *tied)
{
    rk_comm *ranks = s->engine->ranks;
    const span own = own_share(ranks, o->n);
    rk_standing_order here = *o;
    here.users += own.begin;
    here.rows = o->rows ? o->rows + own.begin : NULL;
    here.offsets += own.begin;
    here.n = own.n;
    RK_TRY(refresh(s));
    RK_TRY(rk__stand_here(s, &here, above, tied));
    RK_TRY(gather_values(ranks, "items above", o->n, o->offsets, above));
    return gather_values(ranks, "items tied", o->n, o->offsets, tied);
}
