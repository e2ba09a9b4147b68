#include "eval/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"
#include "eval/stand_by_scores.h"
#include "rankine/evaluate.h"

bool rk__relation_is_trace(const rk_relation *r)
{
    return !r->is_derived && strcmp(r->from, "user") == 0 && strcmp(r->to, "item") == 0;
}

bool rk_dataset_has_traces(const rk_dataset *dataset)
{
    bool has = false;
    for (int64_t i = 0; i < rk_dataset_n_relations(dataset); i++) {
        has = has || rk__relation_is_trace(rk_dataset_relation(dataset, i));
    }
    return has;
}

bool rk__relation_has_pairs(const rk_relation *r)
{
    return rk__relation_is_trace(r) ||
           (!r->is_derived && strcmp(r->from, "item") == 0 && strcmp(r->to, "user") == 0);
}

bool rk__relation_has(const rk_relation *r, int64_t user, int32_t item)
{
    const bool is_turned = strcmp(r->from, "item") == 0;
    const int64_t row = is_turned ? item : user, column = is_turned ? user : item;
    int64_t lo = r->offsets[row], end = r->offsets[row + 1];
    for (int64_t hi = end; lo < hi;) {
        int64_t middle = lo + (hi - lo) / 2;
        if (r->columns[middle] < column) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < end && r->columns[lo] == column;
}

/* ---- making it ---- */

static int count_bits(unsigned set)
{
    int n = 0;
    for (; set; set >>= 1) {
        n += (int)(set & 1);
    }
    return n;
}

/* Set a is worth less than set b. */
static bool is_less(unsigned a, unsigned b)
{
    if (count_bits(a) != count_bits(b)) {
        return count_bits(a) < count_bits(b);
    }
    const unsigned differ = a ^ b;
    return (b & (differ & (~differ + 1))) != 0; /* the first relation that only one has */
}

static void place_sets(rk_trace *t)
{
    const unsigned n = 1u << t->n;
    for (unsigned set = 0; set < n; set++) {
        t->level[set] = 0;
        for (unsigned other = 0; other < n; other++) {
            t->level[set] = (int16_t)(t->level[set] + is_less(other, set));
        }
    }
}

/* The place of each item's count among the different counts, ascending; 0 for no interactions. */
static rk_status place_counts(rk_trace *t)
{
    const rk_popularity *p = t->popularity;
    RK_TRY(rk__calloc(&t->by_count, p->dataset->n_items, sizeof *t->by_count, "traces"));
    for (int64_t i = p->n_ranked - 1; i >= 0; i--) {
        const bool is_more =
            i + 1 == p->n_ranked || p->degrees[p->order[i]] > p->degrees[p->order[i + 1]];
        t->n_counts += is_more;
        t->by_count[p->order[i]] = (float)t->n_counts;
    }
    return RK_OK;
}

rk_status rk__trace_init(rk_trace *out, const rk_popularity *popularity)
{
    *out = (rk_trace){.popularity = popularity};
    for (int64_t i = 0; i < rk_dataset_n_relations(popularity->dataset); i++) {
        const rk_relation *r = rk_dataset_relation(popularity->dataset, i);
        if (rk__relation_is_trace(r) && out->n < RK_MOST_TRACES) {
            out->relations[out->n++] = r;
        }
    }
    place_sets(out);
    return out->n > 0 ? place_counts(out) : RK_OK;
}

void rk__trace_free(rk_trace *trace)
{
    rk__free(trace->by_count);
    *trace = (rk_trace){0};
}

/* ---- ranking ---- */

/* Exact in a float: 256 sets times fewer than 2^16 different counts. */
static float score_of(const rk_trace *t, unsigned set, int32_t item)
{
    if (set == 0 && t->popularity->degrees[item] == 0) {
        return -INFINITY;
    }
    return (float)t->level[set] * (float)(t->n_counts + 1) + t->by_count[item];
}

static unsigned set_of(const rk_trace *t, int64_t user, int32_t item)
{
    unsigned set = 0;
    for (int i = 0; i < t->n; i++) {
        set |= rk__relation_has(t->relations[i], user, item) ? 1u << i : 0;
    }
    return set;
}

/* Is it in a relation before this one? */
static bool is_met(const rk_trace *t, int relation, int64_t user, int32_t item)
{
    return (set_of(t, user, item) & ((1u << relation) - 1)) != 0;
}

static bool is_seen(const rk_dataset *d, unsigned seen, int64_t user, int32_t item)
{
    for (int part = 0; part < RK_PARTS; part++) {
        if ((seen & 1u << part) && rk__lists_has(&d->parts[part], user, item)) {
            return true;
        }
    }
    return false;
}

/* The k best of a user; room: for all edges of the user's. */
static void rank_user(const rk_trace *t, unsigned seen, int64_t user, int64_t k,
                      rk_item_score *room, int32_t *items)
{
    const rk_popularity *p = t->popularity;
    int64_t n = 0, found = 0;
    for (int i = 0; i < t->n; i++) {
        const rk_relation *r = t->relations[i];
        for (int64_t e = r->offsets[user]; e < r->offsets[user + 1]; e++) {
            const int32_t item = r->columns[e];
            const bool is_again = e > r->offsets[user] && item == r->columns[e - 1];
            if (!is_again && !is_met(t, i, user, item) && !is_seen(p->dataset, seen, user, item)) {
                room[n++] = (rk_item_score){score_of(t, set_of(t, user, item), item), item};
            }
        }
    }
    qsort(room, (size_t)n, sizeof *room, rk__by_score);
    while (found < k && found < n) {
        items[found] = room[found].item;
        found++;
    }
    for (int64_t i = 0; i < p->n_ranked && found < k; i++) {
        const int32_t item = p->order[i];
        if (!is_seen(p->dataset, seen, user, item) && set_of(t, user, item) == 0) {
            items[found++] = item;
        }
    }
    while (found < k) {
        items[found++] = -1;
    }
}

static int64_t n_edges(const rk_trace *t, int64_t user)
{
    int64_t n = 0;
    for (int i = 0; i < t->n; i++) {
        n += t->relations[i]->offsets[user + 1] - t->relations[i]->offsets[user];
    }
    return n;
}

static rk_status rank(void *self, unsigned seen, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    const rk_trace *t = self;
    int64_t offsets[RK_RANK_TILE + 1] = {0};
    rk_item_score *room = NULL;
    RK_ASSERT(n <= RK_RANK_TILE);
    for (int64_t i = 0; i < n; i++) {
        offsets[i + 1] = offsets[i] + n_edges(t, users[i]);
    }
    RK_TRY(rk__alloc(&room, offsets[n] + 1, sizeof *room, "traces"));
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++) {
        rank_user(t, seen, users[i], k, room + offsets[i], items + i * k);
    }
    rk__free(room);
    return RK_OK;
}

static rk_status score(void *self, const int32_t *users, int64_t n, const int64_t *offsets,
                       const int32_t *items, float *scores)
{
    const rk_trace *t = self;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t e = offsets[i]; e < offsets[i + 1]; e++) {
            scores[e] = score_of(t, set_of(t, users[i], items[e]), items[e]);
        }
    }
    return RK_OK;
}

static rk_status stand(void *self, const rk_standing_order *o, int32_t *above, int32_t *tied)
{
    const rk_trace *t = self;
    const rk_dataset *d = t->popularity->dataset;
    const rk_lists *own[RK_PARTS];
    float *scores = NULL;
    RK_TRY(rk__alloc(&scores, d->n_items, sizeof *scores, "traces"));
    for (int part = 0; part < RK_PARTS; part++) {
        own[part] = &d->parts[part];
    }
    for (int64_t i = 0; i < o->n; i++) {
        const int64_t first = o->offsets[i], user = o->users[i];
        for (int32_t item = 0; item < d->n_items; item++) {
            scores[item] = score_of(t, 0, item);
        }
        for (int r = 0; r < t->n; r++) {
            const rk_relation *relation = t->relations[r];
            for (int64_t e = relation->offsets[user]; e < relation->offsets[user + 1]; e++) {
                const int32_t item = relation->columns[e];
                scores[item] = score_of(t, set_of(t, user, item), item);
            }
        }
        const rk_stand_among among = {scores, d->n_items, o->has ? o->has : own, o->left_out, user};
        rk__stand_by_scores(&among, o->items + first, o->offsets[i + 1] - first, above + first,
                            tied + first);
    }
    rk__free(scores);
    return RK_OK;
}

rk_ranker rk__trace_ranker(rk_trace *trace)
{
    return (rk_ranker){.self = trace, .rank = rank, .score = score, .stand = stand};
}
