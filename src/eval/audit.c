#include "eval/audit.h"

#include <string.h>

#include "base/alloc.h"
#include "data/contexts.h"
#include "eval/trace.h"
#include "eval/work.h"

/* The pairs of the part by where else they are. */
static rk_status count_pairs(const rk_dataset *d, rk_part part, rk_audit *a)
{
    const rk_lists *held = &d->parts[part], *train = &d->parts[RK_TRAIN];
    uint8_t *state = NULL; /* of items: 1 in train, 2 in the part */
    RK_TRY(rk__calloc(&state, d->n_items, sizeof *state, "items of train"));
    for (int64_t e = 0; e < train->offsets[train->n_rows]; e++) {
        state[train->items[e]] = 1;
    }
    for (int64_t u = 0; u < held->n_rows; u++) {
        const int64_t n = held->offsets[u + 1] - held->offsets[u];
        a->users += n > 0;
        a->cold_users += n > 0 && rk__lists_count(train, u) == 0;
        for (int64_t e = held->offsets[u]; e < held->offsets[u + 1]; e++) {
            const int32_t item = held->items[e];
            bool is_met = false;
            a->pairs++;
            a->in_train += rk__lists_has(train, u, item);
            a->cold_pairs += (state[item] & 1) == 0;
            a->cold_items += state[item] == 0;
            state[item] |= 2;
            for (int64_t r = 0; r < a->n_relations; r++) {
                bool is_here = rk__relation_has(a->relations[r].relation, u, item);
                a->relations[r].pairs += is_here;
                is_met = is_met || is_here;
            }
            a->in_relations += is_met;
        }
    }
    rk__free(state);
    return RK_OK;
}

static rk_status find_relations(const rk_dataset *d, rk_audit *a)
{
    const int64_t n = rk_dataset_n_relations(d);
    if (n == 0) {
        return RK_OK;
    }
    RK_TRY(rk__calloc(&a->relations, n, sizeof *a->relations, "relations"));
    for (int64_t i = 0; i < n; i++) {
        const rk_relation *r = rk_dataset_relation(d, i);
        if (rk__relation_has_pairs(r)) {
            a->relations[a->n_relations++] = (rk_audit_relation){.name = r->name, .relation = r};
        }
    }
    return RK_OK;
}

/* 1 = without train interactions. */
static rk_status find_cold(const rk_dataset *d, uint8_t **out)
{
    const rk_lists *train = &d->parts[RK_TRAIN];
    uint8_t *is_cold = NULL;
    RK_TRY(rk__alloc(&is_cold, d->n_items, sizeof *is_cold, "items of train"));
    memset(is_cold, 1, (size_t)d->n_items);
    for (int64_t e = 0; e < train->offsets[train->n_rows]; e++) {
        is_cold[train->items[e]] = 0;
    }
    *out = is_cold;
    return RK_OK;
}

/* How many held-out items have the score of another item of the ranking. */
static rk_status count_ties(const rk_dataset *d, const rk_options *options, rk_part part,
                            const rk_lists *const *has, const rk_ranker *ranker, rk_audit *a)
{
    enum { LOOKED_AT = RK_RANK_TILE }; /* users */
    rk_status status = RK_OK;
    const rk_lists *held = ranker->by_row ? rk__contexts_lists(d, part) : &d->parts[part];
    int32_t *users = NULL, *items = NULL, *above = NULL;
    uint8_t *is_cold = NULL;
    int64_t n = 0, offsets[LOOKED_AT + 1] = {0};
    RK_TRY(rk__eval_subset(d, part, LOOKED_AT, 0, &users, &n));
    for (int64_t i = 0; i < n; i++) {
        offsets[i + 1] = offsets[i] + rk__lists_count(held, users[i]);
    }
    a->tie_pairs = offsets[n];
    RK_TRY_GOTO(done, rk__alloc(&items, offsets[n], sizeof *items, "held-out items"));
    RK_TRY_GOTO(done, rk__alloc(&above, 2 * offsets[n], sizeof *above, "held-out items"));
    for (int64_t i = 0; i < n; i++) {
        memcpy(items + offsets[i], held->items + held->offsets[users[i]],
               (size_t)(offsets[i + 1] - offsets[i]) * sizeof *items);
    }
    RK_TRY_GOTO(done, find_cold(d, &is_cold));
    const rk_standing_order order = {.part = part,
                                     .users = users,
                                     .n = n,
                                     .offsets = offsets,
                                     .items = items,
                                     .left_out = rk__eval_seen(options, part) | 1u << part,
                                     .has = has};
    int32_t *tied = above + offsets[n];
    RK_TRY_GOTO(done, rk__stand(ranker, &order, held, above, tied));
    for (int64_t e = 0; e < offsets[n]; e++) {
        a->tied += tied[e] > 0;
        a->cold_ranked += above[e] >= 0 && is_cold[items[e]];
    }
done:
    rk__free(is_cold);
    rk__free(users);
    rk__free(items);
    rk__free(above);
    return status;
}

rk_status rk__audit(const rk_dataset *dataset, const rk_options *options, rk_part part,
                    const rk_lists *const *has, const rk_ranker *ranker, rk_audit *out)
{
    rk_status status = RK_OK;
    *out = (rk_audit){.overlap = dataset->stats.overlap};
    if (dataset->parts[part].n_rows == 0) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, find_relations(dataset, out));
    RK_TRY_GOTO(done, count_pairs(dataset, part, out));
    if (out->users > 0 && ranker->stand) {
        status = count_ties(dataset, options, part, has, ranker, out);
    }
done:
    if (status != RK_OK) {
        rk_audit_free(out);
    }
    return status;
}

void rk_audit_free(rk_audit *audit)
{
    if (audit) {
        rk__free(audit->relations);
        *audit = (rk_audit){0};
    }
}
