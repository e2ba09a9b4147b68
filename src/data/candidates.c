#include "data/candidates.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"
#include "base/philox.h"

typedef struct bench {
    uint64_t seed;
    bool by_popularity; /* else uniform */
    int64_t *known;     /* by item: user + 1 if the user in hand has it */
    int64_t *taken;     /* by item: number of the row + 1 that has drawn it */
    int64_t *degrees;   /* by item, train interactions; NULL = uniform */
    int32_t *left;      /* the items that the user in hand has not, where drawing goes by a list */
    rk_keyed *keys;     /* by item, twice: room to sort by; NULL = uniform */
    int64_t n_left;     /* how many there are that can be drawn */
} bench;

/* A row in hand. */
typedef struct row_draw {
    int64_t user, row;
    uint64_t step, first; /* of its draws, for Philox */
    int32_t *out;         /* n_candidates */
} row_draw;

static bool can_be_drawn(const bench *b, int32_t item)
{
    return !b->by_popularity || b->degrees[item] > 0;
}

/* Marks what the user has in any part. */
static void mark_user(bench *b, const rk_dataset *d, int64_t user, int64_t n_drawable)
{
    b->n_left = n_drawable;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *lists = &d->parts[part];
        for (int64_t k = 0; k < rk__lists_count(lists, user); k++) {
            const int32_t item = lists->items[lists->offsets[user] + k];
            b->n_left -= b->known[item] != user + 1 && can_be_drawn(b, item);
            b->known[item] = user + 1;
        }
    }
}

static bool is_free(const bench *b, const row_draw *r, int32_t item)
{
    return b->known[item] != r->user + 1 && b->taken[item] != r->row + 1;
}

/* A uniform item; by popularity that of a uniform train interaction. */
static int32_t draw_item(const bench *b, const rk_dataset *d, rk_words w)
{
    const rk_lists *train = &d->parts[RK_TRAIN];
    if (b->by_popularity) {
        return train->items[rk__bounded(w.v[0], w.v[1], (uint64_t)train->offsets[d->n_users])];
    }
    return (int32_t)rk__bounded(w.v[0], w.v[1], (uint64_t)d->n_items);
}

/* Draws from all items again and again until one is neither known nor taken; false: most > 0 draws
 * were not enough. */
static bool draw_by_trying(bench *b, const rk_dataset *d, const row_draw *r, int64_t most)
{
    for (int64_t k = 0, tries = 0; k < d->n_candidates; k++) {
        int32_t item;
        uint32_t attempt = 0;
        do {
            if (most > 0 && tries++ == most) {
                return false;
            }
            rk_words w = rk__philox(b->seed, RK_PURPOSE_CANDIDATES, r->step, r->first + (uint64_t)k,
                                    attempt++);
            item = draw_item(b, d, w);
        } while (!is_free(b, r, item));
        b->taken[item] = r->row + 1;
        r->out[k] = item;
    }
    return true;
}

/* Shuffles what is left, as far as it is wanted (Fisher and Yates). */
static void draw_from_list(bench *b, const rk_dataset *d, const row_draw *r)
{
    int64_t n = 0;
    for (int32_t item = 0; item < d->n_items; item++) {
        if (b->known[item] != r->user + 1) {
            b->left[n++] = item;
        }
    }
    for (int64_t k = 0; k < d->n_candidates; k++) {
        rk_words w = rk__philox(b->seed, RK_PURPOSE_CANDIDATES, r->step, r->first + (uint64_t)k, 0);
        int64_t at = k + (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)(n - k));
        r->out[k] = b->left[at];
        b->left[at] = b->left[k];
    }
}

/* The same distribution as drawing by trying from train interactions, in one go: waiting times that
 * are exponential with rates proportional to the degrees, of which the shortest win (Efraimidis &
 * Spirakis 2006). */
static void draw_by_keys(bench *b, const rk_dataset *d, const row_draw *r)
{
    int64_t n = 0;
    for (int32_t item = 0; item < d->n_items; item++) {
        if (b->known[item] != r->user + 1 && b->degrees[item] > 0) {
            rk_words w = rk__philox(b->seed, RK_PURPOSE_CANDIDATES, r->step,
                                    r->first + (uint64_t)item, UINT32_MAX);
            double u = ((double)w.v[0] + ((double)w.v[1] + 0.5) * 0x1p-32) * 0x1p-32;
            double wait = -log(u) / (double)b->degrees[item];
            uint64_t key = 0;
            memcpy(&key, &wait, sizeof key); /* of positive numbers the bits sort like they do */
            b->keys[n++] = (rk_keyed){key, item};
        }
    }
    rk__sort_keyed(b->keys, n, b->keys + d->n_items);
    for (int64_t k = 0; k < d->n_candidates; k++) {
        r->out[k] = (int32_t)b->keys[k].value;
    }
}

static void draw_row(bench *b, const rk_dataset *d, const row_draw *r)
{
    enum { TRIES = 20 };
    if (b->by_popularity) {
        if (!draw_by_trying(b, d, r, TRIES * (d->n_candidates + TRIES))) {
            draw_by_keys(b, d, r);
        }
    } else if (2 * (d->n_items - b->n_left + d->n_candidates) <= d->n_items) {
        draw_by_trying(b, d, r, 0);
    } else {
        draw_from_list(b, d, r);
    }
}

static rk_status fail_few(const bench *b, const rk_dataset *d, int64_t user)
{
    char room[RK_ID_BYTES];
    RK_FAIL(RK_ERR_DATA,
            "split.candidates is %lld, but user %s has only %lld of the %lld items left%s that are "
            "not theirs already: take fewer candidates, or drop such users",
            (long long)d->n_candidates, rk__ids_at(&d->users, user, room), (long long)b->n_left,
            (long long)d->n_items, b->by_popularity ? " with train interactions" : "");
}

/* What the rows of a user have touched: their candidates, what the user has, and where items are
 * drawn from train interactions a page for each draw. */
static void touch_user(const bench *b, const rk_dataset *d, rk_part part, int64_t user)
{
    enum { PAGE = 4096 };
    const int64_t drawn = rk__lists_count(&d->parts[part], user) * d->n_candidates;
    rk__spill_touch(d->spill, (rk__lists_count(&d->parts[RK_TRAIN], user) + drawn) *
                                      (int64_t)sizeof(int32_t) +
                                  (b->by_popularity ? drawn * PAGE : 0));
}

static rk_status draw_part(bench *b, rk_dataset *d, rk_part part)
{
    const rk_lists *lists = &d->parts[part];
    int64_t n_drawable = 0;
    memset(b->known, 0, (size_t)d->n_items * sizeof *b->known);
    memset(b->taken, 0, (size_t)d->n_items * sizeof *b->taken);
    for (int32_t item = 0; item < d->n_items; item++) {
        n_drawable += can_be_drawn(b, item);
    }
    for (int64_t user = 0; user < d->n_users; user++) {
        if (rk__lists_count(lists, user) == 0) {
            continue;
        }
        mark_user(b, d, user, n_drawable);
        if (b->n_left < d->n_candidates) {
            return fail_few(b, d, user);
        }
        for (int64_t row = lists->offsets[user]; row < lists->offsets[user + 1]; row++) {
            const row_draw r = {.user = user,
                                .row = row,
                                .step = (uint64_t)part << 60 | (uint64_t)user,
                                .first = (uint64_t)(row - lists->offsets[user]) << 24,
                                .out = d->candidates[part] + row * d->n_candidates};
            draw_row(b, d, &r);
        }
        touch_user(b, d, part, user);
    }
    return RK_OK;
}

static rk_status make_bench(bench *b, const rk_dataset *d)
{
    const rk_lists *train = &d->parts[RK_TRAIN];
    RK_TRY(rk__alloc(&b->known, d->n_items, sizeof *b->known, "candidates"));
    RK_TRY(rk__alloc(&b->taken, d->n_items, sizeof *b->taken, "candidates"));
    RK_TRY(rk__alloc(&b->left, d->n_items, sizeof *b->left, "candidates"));
    if (b->by_popularity) {
        RK_TRY(rk__alloc(&b->keys, 2 * d->n_items, sizeof *b->keys, "candidates"));
        RK_TRY(rk__calloc(&b->degrees, d->n_items, sizeof *b->degrees, "item degrees"));
        const int64_t n = train->offsets[d->n_users];
        for (int64_t from = 0, to = 0; from < n; from = to) {
            to = rk__spill_piece(d->spill, from, n, sizeof *train->items);
            for (int64_t e = from; e < to; e++) {
                b->degrees[train->items[e]]++;
            }
        }
    }
    return RK_OK;
}

rk_status rk__candidates_draw(rk_dataset *dataset, const rk_options *options)
{
    rk_status status = RK_OK;
    const int64_t each = options->split.candidates;
    bench b = {.seed = (uint64_t)options->split.seed,
               .by_popularity = options->split.candidates_by == RK_DRAWN_POPULARITY};
    if (each == 0) {
        return RK_OK;
    }
    dataset->n_candidates = each;
    RK_TRY_GOTO(done, make_bench(&b, dataset));
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        int64_t n = dataset->parts[part].offsets[dataset->n_users];
        int64_t size = (int64_t)sizeof *dataset->candidates[part];
        if (n > INT64_MAX / size / each) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG, "split.candidates is %lld, too many for %lld rows",
                         (long long)each, (long long)n);
        }
        RK_TRY_GOTO(done, rk__spill_alloc(dataset->spill, &dataset->candidates[part], n * each,
                                          (size_t)size, "candidates"));
        RK_TRY_GOTO(done, draw_part(&b, dataset, part));
    }
done:
    rk__free(b.known);
    rk__free(b.taken);
    rk__free(b.left);
    rk__free(b.keys);
    rk__free(b.degrees);
    return status;
}
