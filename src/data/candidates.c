#include "data/candidates.h"

#include <string.h>

#include "base/alloc.h"
#include "base/philox.h"

typedef struct bench {
    int64_t *known; /* by item: user + 1 if the user in hand has it */
    int64_t *taken; /* by item: number of the row + 1 that has drawn it */
    int32_t *left;  /* the items that the user in hand has not, where drawing goes by a list */
    int64_t n_left; /* how many there are in any case */
} bench;

/* Marks what the user has in any part. */
static void mark_user(bench *b, const rk_dataset *d, int64_t user)
{
    b->n_left = d->n_items;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *lists = &d->parts[part];
        for (int64_t k = 0; k < rk__lists_count(lists, user); k++) {
            b->known[lists->items[lists->offsets[user] + k]] = user + 1;
            b->n_left--;
        }
    }
}

/* Draws from all items again and again until one is neither known nor taken. */
static void draw_by_trying(bench *b, const rk_dataset *d, uint64_t seed, uint64_t step,
                           uint64_t first, int64_t user, int64_t row, int32_t *out)
{
    for (int64_t k = 0; k < d->n_candidates; k++) {
        int32_t item;
        uint32_t attempt = 0;
        do {
            rk_words w =
                rk__philox(seed, RK_PURPOSE_CANDIDATES, step, first + (uint64_t)k, attempt++);
            item = (int32_t)rk__bounded(w.v[0], w.v[1], (uint64_t)d->n_items);
        } while (b->known[item] == user + 1 || b->taken[item] == row + 1);
        b->taken[item] = row + 1;
        out[k] = item;
    }
}

/* Shuffles what is left, as far as it is wanted (Fisher and Yates). */
static void draw_from_list(bench *b, const rk_dataset *d, uint64_t seed, uint64_t step,
                           uint64_t first, int64_t user, int32_t *out)
{
    int64_t n = 0;
    for (int32_t item = 0; item < d->n_items; item++) {
        if (b->known[item] != user + 1) {
            b->left[n++] = item;
        }
    }
    for (int64_t k = 0; k < d->n_candidates; k++) {
        if (k >= n) {
            out[k] = -1;
            continue;
        }
        rk_words w = rk__philox(seed, RK_PURPOSE_CANDIDATES, step, first + (uint64_t)k, 0);
        int64_t at = k + (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)(n - k));
        out[k] = b->left[at];
        b->left[at] = b->left[k];
    }
}

static void draw_part(bench *b, rk_dataset *d, rk_part part, uint64_t seed)
{
    const rk_lists *lists = &d->parts[part];
    memset(b->known, 0, (size_t)d->n_items * sizeof *b->known);
    memset(b->taken, 0, (size_t)d->n_items * sizeof *b->taken);
    for (int64_t user = 0; user < d->n_users; user++) {
        uint64_t step = (uint64_t)part << 60 | (uint64_t)user;
        if (rk__lists_count(lists, user) > 0) {
            mark_user(b, d, user);
        }
        for (int64_t row = lists->offsets[user]; row < lists->offsets[user + 1]; row++) {
            uint64_t first = (uint64_t)(row - lists->offsets[user]) << 24;
            int32_t *out = d->candidates[part] + row * d->n_candidates;
            if (2 * (d->n_items - b->n_left + d->n_candidates) <= d->n_items) {
                draw_by_trying(b, d, seed, step, first, user, row, out);
            } else {
                draw_from_list(b, d, seed, step, first, user, out);
            }
        }
    }
}

rk_status rk__candidates_draw(rk_dataset *dataset, int64_t each, uint64_t seed)
{
    rk_status status = RK_OK;
    bench b = {0};
    if (each == 0) {
        return RK_OK;
    }
    dataset->n_candidates = each;
    RK_TRY_GOTO(done, rk__alloc(&b.known, dataset->n_items, sizeof *b.known, "candidates"));
    RK_TRY_GOTO(done, rk__alloc(&b.taken, dataset->n_items, sizeof *b.taken, "candidates"));
    RK_TRY_GOTO(done, rk__alloc(&b.left, dataset->n_items, sizeof *b.left, "candidates"));
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        int64_t n = dataset->parts[part].offsets[dataset->n_users];
        int64_t size = (int64_t)sizeof *dataset->candidates[part];
        if (n > INT64_MAX / size / each) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG, "split.candidates is %lld, too many for %lld rows",
                         (long long)each, (long long)n);
        }
        RK_TRY_GOTO(done,
                    rk__alloc(&dataset->candidates[part], n * each, (size_t)size, "candidates"));
        draw_part(&b, dataset, part, seed);
    }
done:
    rk__free(b.known);
    rk__free(b.taken);
    rk__free(b.left);
    return status;
}
