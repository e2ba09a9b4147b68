/*
 * Full ranking of a tile of users: scores tile by tile, seen items masked, a running top K.
 *
 * Items are packed into panels a slab at a time, by all threads together; then each thread takes
 * groups of user blocks and walks the slab in strips that fit the second-level cache. A strip's
 * scores are compared with the user's K-th best so far, and only the few that pass meet the lists
 * of seen items and the heap. Items come in ascending order and a score must beat the K-th best to
 * enter, so ties go to the smaller item, whatever the sizes of slabs, strips and groups.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/cpu.h"

enum {
    SLAB_BYTES = 2 << 20,    /* packed items that all threads share, about a last-level share */
    STRIP_BYTES = 256 << 10, /* packed items that a thread goes over again and again */
    MAX_STRIP_ITEMS = 1024,
    MAX_GROUP_BLOCKS = 8,
    ABOVE_SLACK = 16, /* see rk_isa.above */
};

/* Sizes of one call, all but the last fixed by the shapes. */
typedef struct tiling {
    int64_t d, n_users, n_items, k;
    int64_t tile_users, n_blocks;      /* of isa->block_users */
    int64_t slab_panels, strip_panels; /* of isa->panel_width */
    int64_t group_blocks, n_groups;
} tiling;

/* A user's place in the tile: how far the lists of seen items have been walked, the heap's size. */
typedef struct ranking {
    const int32_t *train, *train_end; /* nodes */
    const int32_t *other, *other_end; /* items; both NULL if there are none */
    int32_t *items;                   /* heap of `held`: the worst on top */
    float *scores;
    int32_t held, k;
} ranking;

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static int64_t at_least(int64_t value, int64_t limit)
{
    return value > limit ? value : limit;
}

static tiling tiling_of(const rk_call *call)
{
    const rk_topk_attr *a = &call->node->attr.topk;
    tiling t = {.d = rk__in(call, 0)->cols,
                .n_users = a->n_users,
                .n_items = a->n_items,
                .k = a->k,
                .tile_users = rk__in(call, 1)->rows};
    int64_t width = call->isa->panel_width, panel_bytes = width * t.d * (int64_t)sizeof(float);
    int64_t n_panels = rk__blocks(t.n_items, width);
    t.strip_panels = at_most(STRIP_BYTES / panel_bytes, MAX_STRIP_ITEMS / width);
    t.strip_panels = at_least(t.strip_panels, 1);
    t.slab_panels = at_least(SLAB_BYTES / panel_bytes, t.strip_panels);
    t.slab_panels = at_most(t.slab_panels, n_panels);
    t.n_blocks = rk__blocks(t.tile_users, call->isa->block_users);
    t.group_blocks = at_most(rk__blocks(t.n_blocks, 4 * call->threads), MAX_GROUP_BLOCKS);
    t.n_groups = rk__blocks(t.n_blocks, t.group_blocks);
    return t;
}

static int64_t score_bytes(const rk_call *call, const tiling *t)
{
    return rk__cache_lines(call->isa->block_users * t->strip_panels * call->isa->panel_width * 4);
}

static int64_t found_bytes(const rk_call *call, const tiling *t)
{
    return rk__cache_lines((t->strip_panels * call->isa->panel_width + ABOVE_SLACK) * 4);
}

static int64_t slab_bytes(const rk_call *call, const tiling *t)
{
    return rk__cache_lines(t->slab_panels * call->isa->panel_width * t->d * 4);
}

static int64_t block_floats(const rk_call *call, const tiling *t)
{
    return call->isa->block_users * t->d;
}

int64_t rk__cpu_scratch_score_topk(const rk_call *call)
{
    const tiling t = tiling_of(call);
    return slab_bytes(call, &t) + rk__cache_lines(t.n_blocks * block_floats(call, &t) * 4) +
           rk__cache_lines(t.tile_users * (int64_t)sizeof(ranking)) +
           call->threads * (score_bytes(call, &t) + found_bytes(call, &t));
}

/* ---- packing ---- */

/* Rows [first, first + n) of x, as columns of out [d][width]; zeros where rows are missing. */
static void pack_panel(const float *x, int64_t d, int64_t first, int64_t n, int64_t width,
                       float *out)
{
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < n; i++) {
            out[j * width + i] = x[(first + i) * d + j];
        }
        for (int64_t i = n; i < width; i++) {
            out[j * width + i] = 0;
        }
    }
}

static void pack_users(const rk_call *call, const tiling *t, int64_t block, float *out)
{
    const float *x = call->in[0];
    const int32_t *users = call->in[1];
    int64_t width = call->isa->block_users, first = block * width;
    for (int64_t i = 0; i < width; i++) {
        int64_t user = first + i < t->tile_users ? users[first + i] : -1;
        for (int64_t j = 0; j < t->d; j++) {
            out[j * width + i] = user >= 0 ? x[user * t->d + j] : 0;
        }
    }
}

/* ---- the running top K ---- */

static void start_ranking(const rk_call *call, const tiling *t, int64_t place, ranking *r)
{
    int64_t user = ((const int32_t *)call->in[1])[place];
    *r = (ranking){.items = (int32_t *)call->out[0] + place * t->k,
                   .scores = (float *)call->out[1] + place * t->k,
                   .k = (int32_t)t->k};
    if (user < 0) {
        return;
    }
    const int64_t *train = call->in[2], *other = call->in[4];
    r->train = (const int32_t *)call->in[3] + train[user];
    r->train_end = (const int32_t *)call->in[3] + train[user + 1];
    if (other) {
        r->other = (const int32_t *)call->in[5] + other[user];
        r->other_end = (const int32_t *)call->in[5] + other[user + 1];
    }
}

/* Items are asked for in ascending order, so the lists are walked once. */
static bool is_seen(ranking *r, int64_t n_users, int32_t item)
{
    while (r->train < r->train_end && *r->train - n_users < item) {
        r->train++;
    }
    while (r->other < r->other_end && *r->other < item) {
        r->other++;
    }
    return (r->train < r->train_end && *r->train - n_users == item) ||
           (r->other < r->other_end && *r->other == item);
}

/* Entry a ranks behind entry b. */
static bool is_worse(const ranking *r, int32_t a, int32_t b)
{
    return r->scores[a] != r->scores[b] ? r->scores[a] < r->scores[b] : r->items[a] > r->items[b];
}

static void swap_entries(ranking *r, int32_t a, int32_t b)
{
    int32_t item = r->items[a];
    float score = r->scores[a];
    r->items[a] = r->items[b];
    r->scores[a] = r->scores[b];
    r->items[b] = item;
    r->scores[b] = score;
}

static void sift_down(ranking *r, int32_t n)
{
    for (int32_t i = 0;;) {
        int32_t worst = i, left = 2 * i + 1, right = left + 1;
        worst = left < n && is_worse(r, left, worst) ? left : worst;
        worst = right < n && is_worse(r, right, worst) ? right : worst;
        if (worst == i) {
            return;
        }
        swap_entries(r, i, worst);
        i = worst;
    }
}

static void insert(ranking *r, int32_t item, float score)
{
    if (r->held == r->k) {
        r->items[0] = item;
        r->scores[0] = score;
        sift_down(r, r->held);
        return;
    }
    int32_t i = r->held++;
    r->items[i] = item;
    r->scores[i] = score;
    while (i > 0 && is_worse(r, i, (i - 1) / 2)) {
        swap_entries(r, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

/* Heap to best-first order; -1 and 0 where fewer than K items are left. */
static void finish_ranking(ranking *r)
{
    for (int32_t n = r->held - 1; n > 0; n--) {
        swap_entries(r, 0, n);
        sift_down(r, n);
    }
    for (int32_t i = r->held; i < r->k; i++) {
        r->items[i] = -1;
        r->scores[i] = 0;
    }
}

static void take_scores(const rk_call *call, const tiling *t, ranking *r, const float *scores,
                        int64_t first_item, int64_t n, int32_t *found)
{
    float bar = r->held == r->k ? r->scores[0] : -INFINITY;
    int64_t n_found = call->isa->above(scores, n, bar, found);
    for (int64_t i = 0; i < n_found; i++) {
        int32_t item = (int32_t)first_item + found[i];
        float score = scores[found[i]];
        if ((r->held < r->k || score > r->scores[0]) && !is_seen(r, t->n_users, item)) {
            insert(r, item, score);
        }
    }
}

/* ---- the walk over the tile ---- */

/* A group of user blocks against the items [first_item, end_item) of a slab. */
static void rank_group(const rk_call *call, const tiling *t, int64_t group, const float *blocks,
                       const float *slab, int64_t first_item, int64_t end_item, ranking *rankings,
                       char *scratch)
{
    int64_t width = call->isa->panel_width, block_users = call->isa->block_users;
    float *scores = rk__cpu_take(&scratch, score_bytes(call, t));
    int32_t *found = rk__cpu_take(&scratch, found_bytes(call, t));
    int64_t end_block = at_most((group + 1) * t->group_blocks, t->n_blocks);
    for (int64_t item = first_item; item < end_item; item += t->strip_panels * width) {
        int64_t n = at_most(end_item - item, t->strip_panels * width);
        int64_t n_panels = rk__blocks(n, width);
        for (int64_t block = group * t->group_blocks; block < end_block; block++) {
            call->isa->scores(blocks + block * block_floats(call, t),
                              slab + (item - first_item) * t->d, t->d, n_panels, scores);
            int64_t end = at_most((block + 1) * block_users, t->tile_users);
            for (int64_t place = block * block_users; place < end; place++) {
                if (((const int32_t *)call->in[1])[place] >= 0) {
                    const float *mine = scores + (place - block * block_users) * n_panels * width;
                    take_scores(call, t, &rankings[place], mine, item, n, found);
                }
            }
        }
    }
}

void rk__cpu_score_topk(const rk_call *call)
{
    const tiling t = tiling_of(call);
    const float *item_rows = (const float *)call->in[0] + t.n_users * t.d;
    int64_t width = call->isa->panel_width, slab_items = t.slab_panels * width;
    char *scratch = call->scratch;
    float *slab = rk__cpu_take(&scratch, slab_bytes(call, &t));
    float *blocks = rk__cpu_take(&scratch, t.n_blocks * block_floats(call, &t) * 4);
    ranking *rankings = rk__cpu_take(&scratch, t.tile_users * (int64_t)sizeof(ranking));
    int64_t thread_bytes = score_bytes(call, &t) + found_bytes(call, &t);
    int32_t saved = call->isa->begin_scores ? call->isa->begin_scores() : 0;
#pragma omp parallel num_threads(call->threads)
    {
        char *mine = scratch + rk__cpu_thread() * thread_bytes;
#pragma omp for schedule(static)
        for (int64_t block = 0; block < t.n_blocks; block++) {
            pack_users(call, &t, block, blocks + block * block_floats(call, &t));
        }
#pragma omp for schedule(static)
        for (int64_t place = 0; place < t.tile_users; place++) {
            start_ranking(call, &t, place, &rankings[place]);
        }
        for (int64_t first = 0; first < t.n_items; first += slab_items) {
            int64_t end = at_most(first + slab_items, t.n_items);
#pragma omp for schedule(static)
            for (int64_t panel = 0; panel < rk__blocks(end - first, width); panel++) {
                int64_t row = first + panel * width;
                pack_panel(item_rows, t.d, row, at_most(end - row, width), width,
                           slab + panel * width * t.d);
            }
#pragma omp for schedule(dynamic, 1)
            for (int64_t group = 0; group < t.n_groups; group++) {
                rank_group(call, &t, group, blocks, slab, first, end, rankings, mine);
            }
        }
#pragma omp for schedule(static)
        for (int64_t place = 0; place < t.tile_users; place++) {
            finish_ranking(&rankings[place]);
        }
    }
    if (call->isa->end_scores) {
        call->isa->end_scores(saved);
    }
}
