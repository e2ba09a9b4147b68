#include "eval/stand_by_scores.h"

#include <math.h>

/* Is the item in one of the parts from `first` to `end` - 1? */
static bool has(const rk_stand_among *a, int first, int end, int32_t item)
{
    for (int part = first; part < end; part++) {
        if ((a->left_out & 1u << part) && a->has[part] &&
            rk__lists_has(a->has[part], a->user, item)) {
            return true;
        }
    }
    return false;
}

static void stand(const rk_stand_among *a, int32_t item, int32_t *out_above, int32_t *out_tied)
{
    const float score = a->scores[item];
    int32_t above = 0, tied = 0;
    for (int64_t i = 0; i < a->n_items; i++) {
        above += a->scores[i] > score;
        tied += !(a->scores[i] > score) && !(a->scores[i] < score);
    }
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *l = a->has[part];
        const int64_t n = (a->left_out & 1u << part) && l ? rk__lists_count(l, a->user) : 0;
        for (int64_t i = 0; i < n; i++) {
            const int32_t other = l->items[l->offsets[a->user] + i];
            if (!has(a, 0, part, other)) {
                above -= a->scores[other] > score;
                tied -= !(a->scores[other] > score) && !(a->scores[other] < score);
            }
        }
    }
    if (!(score > -INFINITY)) {
        *out_above = *out_tied = -1;
        return;
    }
    *out_above = above;
    *out_tied = tied - !has(a, 0, RK_PARTS, item); /* itself */
}

void rk__stand_by_scores(const rk_stand_among *among, const int32_t *items, int64_t n,
                         int32_t *above, int32_t *tied)
{
    for (int64_t i = 0; i < n; i++) {
        stand(among, items[i], &above[i], &tied[i]);
    }
}
