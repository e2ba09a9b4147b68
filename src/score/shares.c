/*
 * Rankings of many users among ranks. The tables that scores are made of are whole on every rank
 * (the program `finish` gathers their columns), so each ranks for a share of the users, and all get
 * all lists: whoever takes them does the same on every rank. That sends a few numbers a user, where
 * scores summed over columns would send one for each user and item. A model that scores by divided
 * tables themselves would need the other ranks for every tile, and is refused.
 */
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

/* So many users a rank go at a time, for the memory of the lists. */
enum { MOST_SHARE = 32 * RK_RANK_TILE };

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

/* Where the share of a rank begins among n users. */
static int64_t begin_of(const rk_comm *comm, int64_t n, int rank)
{
    return n / rk__comm_size(comm) * rank + n % rk__comm_size(comm) * rank / rk__comm_size(comm);
}

/* One share a rank of the users from o->users[first] on, n of them. */
static rk_status rank_some(rk_scorer *s, const rk_rank_order *o, int64_t first, int64_t n,
                           share *mine, int64_t *bytes, int32_t *all)
{
    rk_comm *comm = s->engine->comm;
    const int rank = rk__comm_rank(comm), size = rk__comm_size(comm);
    const int64_t begin = first + begin_of(comm, n, rank),
                  end = first + begin_of(comm, n, rank + 1);
    rk_rank_order here = *o;
    here.users += begin;
    here.rows = o->rows ? o->rows + begin : NULL;
    here.n = end - begin;
    here.take = keep_lists;
    here.taker = mine;
    if (here.n > 0) {
        RK_TRY(rk__rank_here(s, &here));
    }
    for (int r = 0; r < size; r++) {
        bytes[r] = (begin_of(comm, n, r + 1) - begin_of(comm, n, r)) * o->k * 4;
    }
    RK_TRY(rk__comm_gather(comm, "ranked lists", mine->lists, bytes, RK_COMM_ALL, all));
    return o->take(o->taker, first, n, all);
}

rk_status rk__rank_shares(rk_scorer *s, const rk_rank_order *o)
{
    const int64_t size = rk__comm_size(s->engine->comm), most = size * MOST_SHARE;
    const int64_t room = o->n < most ? o->n : most;
    share mine = {.k = o->k};
    int32_t *all = NULL;
    int64_t *bytes = NULL;
    rk_status status = RK_OK;
    pthread_mutex_lock(&s->lock);
    status = rk__scorer_refresh(s); /* by all ranks, also those without a share */
    pthread_mutex_unlock(&s->lock);
    RK_TRY(status);
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
