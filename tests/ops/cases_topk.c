/* Ranking. Embeddings are multiples of 1/16 below 2, so that every score is exact in a float in
 * any order of addition: results can be compared item by item, and ties are frequent. In cases of
 * near ties the items differ only in digits that TF32 does not keep. */
#include "ops/naive.h"

#include <stdlib.h>
#include <string.h>

typedef struct topk_shape {
    int64_t tile, count, items, d, k;
    double chance; /* of an item to be masked */
    bool has_blocked;
    int levels; /* of the embeddings' values: few levels make many ties; 0: near ties; -n: n
                   levels, and rows that no margin holds for */
} topk_shape;

static const topk_shape shapes[] = {
    {1, 1, 1, 1, 1, 0, false, 2},
    {7, 7, 5, 3, 5, 0.3, true, 2},
    {20, 17, 7, 16, 3, 0.9, false, 3},
    {33, 33, 300, 20, 10, 0.2, true, 3},
    {40, 29, 1100, 64, 20, 0.1, true, 30},
    {30, 30, 2500, 65, 50, 0.3, false, 30},
    {5, 5, 3000, 130, 3000, 0.2, true, 4},
    {150, 140, 700, 8, 7, 0.5, true, 2},
    {70, 66, 9000, 64, 20, 0.05, false, 8}, /* more items than one slab */
    {66, 65, 600, 1500, 9, 0.1, false, 5},  /* a panel larger than a strip */
    {80, 77, 2500, 65, 50, 0.3, true, 30},
    {12, 12, 3000, 64, 20, 0.1, true, 0},
    {9, 9, 300, 12, 4, 0.02, false, 0},
    {6, 6, 1500, 33, 50, 0.2, false, 0},
    /* more candidates than there is room for */
    {6, 6, 4000, 1, 10, 0.1, true, 1},
    {9, 9, 1500, 1, 1, 0.01, false, 1},
    /* a few queries */
    {1, 1, 5003, 64, 10, 0, true, 20},
    {8, 1, 4099, 33, 4099, 0.1, true, 2},
    {8, 2, 9001, 30, 20, 0.1, false, 3},
    {3, 3, 7000, 40, 10, 0.1, true, 0},
    {6, 4, 6007, 71, 10, 0.1, false, 1},
    {4, 4, 13, 3, 13, 0.3, true, 1},
    {40, 13, 5100, 36, 10, 0.1, true, 30},
    {20, 16, 2100, 64, 30, 0.1, false, 3},
    {7, 7, 2003, 37, 10, 0.1, true, 20},
    {64, 62, 1100, 20, 10, 0.1, true, 20},
    {5, 5, 600, 1500, 9, 0.1, false, 5},
    /* enough of them for several threads */
    {1, 1, 16411, 65, 10, 0.1, true, 20},
    {13, 9, 6007, 71, 40, 0.1, true, 2},
    /* nobody */
    {3, 0, 50, 8, 4, 0.2, true, 2},
    /* long lists; two tiles of queries; more that survive a bar than are written together */
    {10, 10, 3000, 17, 100, 0.1, true, 3},
    {5, 5, 4000, 200, 1000, 0.2, true, 30},
    {4, 4, 5000, 64, 1024, 0.1, false, 0},
    {130, 129, 1200, 8, 20, 0.05, true, 3},
    {128, 128, 900, 12, 60, 0.3, false, 3},
    /* the best of a sample of items are the best of all, but for what TF32 does not keep */
    {64, 64, 800, 20, 1, 0.05, false, 0},
    {40, 40, 700, 15, 2, 0.05, true, 0},
    /* a sample in two tiles */
    {1, 1, 70001, 1, 1, 0, false, 2000},
    /* no margin holds */
    {9, 9, 700, 16, 20, 0.1, true, -1},
    {9, 9, 700, 7, 20, 0.1, false, -5},
};

typedef struct scored {
    double score;
    int32_t item;
} scored;

static int best_first(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    if (a->score != b->score) {
        return a->score > b->score ? -1 : 1;
    }
    return (a->item > b->item) - (a->item < b->item);
}

/* Lists of masked items; a flag for each query and item. Query 0 has nearly everything, query 1 of
 * more than 2 everything. */
static char *make_masks(ops_case *c, const topk_shape *s, ops_random *r, int64_t *offsets,
                        int32_t **out_items)
{
    char *flags = ops_memory(c, s->tile * s->items, 1);
    int32_t *items = ops_memory(c, s->tile * s->items + 5, sizeof *items);
    int64_t n = 0;
    for (int64_t t = 0; t < s->tile; t++) {
        double chance = t == 0 ? 0.95 : t == 1 && s->tile > 2 ? 1 : t % 4 == 2 ? 0 : s->chance;
        for (int64_t i = 0; i < s->items && t < s->count; i++) {
            if ((double)ops_below(r, 1000) < 1000 * chance) {
                flags[t * s->items + i] = 1;
                items[n++] = (int32_t)i;
            }
        }
        offsets[t + 1] = n;
    }
    *out_items = items;
    return flags;
}

static int32_t *make_blocked(ops_case *c, const topk_shape *s, ops_random *r)
{
    int32_t *blocked = ops_memory(c, s->items, sizeof *blocked);
    for (int64_t i = 0; i < s->items && s->has_blocked; i++) {
        blocked[i] = ops_below(r, 7) == 0 ? -1 - (int32_t)i : 0;
    }
    return blocked;
}

/* Items in families of ten around a vector of multiples of 2^-10, each off it by a few multiples of
 * 2^-13, queries of multiples of 1/4: the sums of a few dozen products fit in a float's 24 bits,
 * but cut to TF32's 11 a family is one vector. */
static void make_near_ties(const topk_shape *s, float *x, ops_random *r)
{
    enum { FAMILY = 10 };
    for (int64_t row = 0; row < s->tile + s->items; row++) {
        int64_t item = row - s->tile;
        ops_random family = {(uint64_t)(item / FAMILY + 77)};
        for (int64_t j = 0; j < s->d; j++) {
            double base = (double)(ops_below(&family, 2049) - 1024) / 1024;
            double off = (double)(ops_below(r, 7) - 3) / 8192;
            x[row * s->d + j] = (float)(item < 0 ? (double)(ops_below(r, 9) - 4) / 4 : base + off);
        }
    }
}

/* A query of which nothing can be said, one whose length no float holds; with one level an item
 * that is not a number, which counts against all margins. */
static void make_unbounded(const topk_shape *s, float *x)
{
    x[4 * s->d] = NAN;
    for (int64_t j = 0; j < s->d; j++) {
        x[6 * s->d + j] *= 0x1p100f;
    }
    if (s->levels == -1) {
        x[(s->tile + 301) * s->d] = NAN;
    }
}

static void make_embeddings(const topk_shape *s, float *x, ops_random *r)
{
    if (s->levels == 0) {
        make_near_ties(s, x, r);
        return;
    }
    const int levels = abs(s->levels);
    for (int64_t j = 0; j < (s->tile + s->items) * s->d; j++) {
        x[j] = (float)(ops_below(r, 2 * levels + 1) - levels) / 16;
    }
    if (s->levels < 0) {
        make_unbounded(s, x);
    }
}

/* scores [tile, items] -> items, scores [tile, k] */
typedef struct ranked {
    int32_t *items;
    double *scores;
} ranked;

static ranked expected_ranking(ops_case *c, const topk_shape *s, const double *scores,
                               const char *masked, const int32_t *blocked)
{
    ranked out = {ops_memory(c, s->tile * s->k, sizeof *out.items), ops_doubles(c, s->tile * s->k)};
    scored *work = ops_memory(c, s->items, sizeof *work);
    for (int64_t t = 0; t < s->tile; t++) {
        int64_t n = 0;
        for (int64_t i = 0; i < s->items && t < s->count; i++) {
            double score = scores[t * s->items + i];
            if (!masked[t * s->items + i] && !blocked[i] && score > -INFINITY) {
                work[n++] = (scored){score, (int32_t)i};
            }
        }
        qsort(work, (size_t)n, sizeof *work, best_first);
        for (int64_t i = 0; i < s->k; i++) {
            out.items[t * s->k + i] = i < n ? work[i].item : -1;
            out.scores[t * s->k + i] = i < n ? work[i].score : 0;
        }
    }
    return out;
}

/* A part of the items after the other, the best so far merged with the best of each. */
static void rank_in_parts(ops_case *c, const topk_shape *s, rk_topk_values v, const double *scores,
                          int64_t n_parts)
{
    rk_program *p = ops_program(c);
    const rk_ranked_values out = {v.out_items, v.out_scores}, none = {RK_NONE, RK_NONE};
    const int64_t size = (s->items + n_parts - 1) / n_parts;
    rk_ranked_values best = none;
    v.out_items = v.out_scores = RK_NONE;
    for (int64_t first = 0; first < s->items; first += size) {
        const int64_t n = s->items - first < size ? s->items - first : size, end = first + n;
        float *columns = ops_memory(c, s->tile * n, sizeof *columns);
        for (int64_t j = 0; j < s->tile * n; j++) {
            columns[j] = (float)scores[j / n * s->items + first + j % n];
        }
        v.scores = ops_input(c, RK_F32, s->tile, n, columns);
        rk_ranked_values part = rk__top_k(p, v, first, (int32_t)(n < s->k ? n : s->k));
        best = first == 0 ? part
                          : rk__merge_top_k(p, best, part, (int32_t)(end < s->k ? end : s->k),
                                            end == s->items ? out : none);
    }
}

/* The inputs behind the scores and the outputs; what comes out of `scores`. */
static rk_topk_values rank(ops_case *c, const topk_shape *s, ops_random *r, rk_value value,
                           rk_value count, const double *scores, int64_t n_parts)
{
    int64_t *offsets = ops_memory(c, s->tile + 1, sizeof *offsets);
    int32_t *items = NULL;
    const char *masked = make_masks(c, s, r, offsets, &items);
    const int32_t *blocked = make_blocked(c, s, r);
    const ranked expected = expected_ranking(c, s, scores, masked, blocked);
    int64_t capacity = offsets[s->tile] + (s->levels % 2 ? 5 : 0);
    rk_topk_values v = {.scores = value,
                        .mask_offsets = ops_input(c, RK_I64, s->tile + 1, 1, offsets),
                        .mask_items = ops_input(c, RK_I32, capacity, 1, items),
                        .blocked =
                            s->has_blocked ? ops_input(c, RK_I32, s->items, 1, blocked) : RK_NONE,
                        .count = count,
                        .out_items = ops_variable(c, RK_I32, s->tile, s->k, NULL),
                        .out_scores = ops_variable(c, RK_F32, s->tile, s->k, NULL)};
    if (n_parts > 1) {
        rank_in_parts(c, s, v, scores, n_parts);
    } else {
        rk__top_k(ops_program(c), v, 0, (int32_t)s->k);
    }
    ops_expect_exactly(c, v.out_items, expected.items);
    ops_expect_reals(c, v.out_scores, expected.scores, ops_doubles(c, s->tile * s->k), 0);
    return v;
}

static rk_value count_of(ops_case *c, const topk_shape *s)
{
    const int32_t count = (int32_t)s->count;
    return ops_input(c, RK_I32, 1, 1, &count);
}

/* ---- dot products ---- */

static void score_topk_of(int number)
{
    const topk_shape *s = &shapes[number];
    ops_random r = {(uint64_t)number + 5};
    ops_case *c = ops_begin("score_topk, shape %d", number);
    int64_t first = number % 3, rows = s->tile + s->items;
    float *x = ops_memory(c, rows * s->d, sizeof *x);
    double *scores = ops_doubles(c, s->tile * s->items);
    make_embeddings(s, x, &r);
    const float *items = x + s->tile * s->d;
    for (int64_t t = 0; t < s->tile; t++) {
        for (int64_t i = 0; i < s->items; i++) {
            scores[t * s->items + i] = naive_dot(x + t * s->d, items + i * s->d, s->d);
        }
    }
    float *table = ops_memory(c, (s->items + 5) * s->d, sizeof *table);
    memcpy(table + first * s->d, items, (size_t)(s->items * s->d) * sizeof *table);
    rk_value count = count_of(c, s), queries = ops_input(c, RK_F32, s->tile, s->d, x);
    rk_value dots =
        rk__score_dot(ops_program(c), queries, ops_input(c, RK_F32, s->items + 5, s->d, table),
                      count, (rk_range_attr){first, s->items});
    rank(c, s, &r, dots, count, scores, 1);
    assert_ok(rk__program_fuse(ops_program(c)));
    assert_int_equal(ops_program(c)->n_nodes, 1);
    ops_run(c, 2); /* twice: nothing is left over from the first */
}

static void score_topk(void)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        score_topk_of(i);
    }
}

/* ---- scores that are there ---- */

static void top_k_of(int number, int64_t n_parts)
{
    const topk_shape *s = &shapes[number];
    ops_random r = {(uint64_t)number + 77};
    ops_case *c = ops_begin("top_k, shape %d, parts %d", number, (int)n_parts);
    int64_t n = s->tile * s->items, levels = s->levels ? abs(s->levels) : 1000;
    float *x = ops_memory(c, n, sizeof *x);
    double *scores = ops_doubles(c, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t kind = ops_below(&r, 20);
        x[i] = kind == 0   ? NAN
               : kind == 1 ? -INFINITY
                           : (float)(ops_below(&r, 2 * levels + 1) - levels) / 16;
        scores[i] = (double)x[i];
    }
    rank(c, s, &r, ops_input(c, RK_F32, s->tile, s->items, x), count_of(c, s), scores, n_parts);
    ops_run(c, 2);
}

static void top_k(void)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        top_k_of(i, 1);
    }
}

/* Lists of which one is empty, ties between them, more answers than a part has items. */
static void merge_top_k(void)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        if (shapes[i].items > 1 && shapes[i].items < 5000) {
            top_k_of(i, 2 + i % 3 < shapes[i].items ? 2 + i % 3 : 2);
        }
    }
}

/* ---- where items stand ---- */

/* The mask lists with every second entry twice; returns their length. */
static int64_t repeat_masked(ops_case *c, int64_t tile, int64_t *offsets, int32_t **items)
{
    int32_t *twice = ops_memory(c, 2 * offsets[tile] + 1, sizeof *twice);
    int64_t n = 0, begin = 0;
    for (int64_t t = 0; t < tile; t++) {
        for (int64_t m = begin; m < offsets[t + 1]; m++) {
            twice[n++] = (*items)[m];
            if (m % 2 == 0) {
                twice[n++] = (*items)[m];
            }
        }
        begin = offsets[t + 1];
        offsets[t + 1] = n;
    }
    *items = twice;
    return n;
}

/* Of one item: how many that are not masked score higher, how many others as high. */
static void stand(const double *scores, const char *masked, int64_t n, int32_t item, int32_t *above,
                  int32_t *tied)
{
    *above = *tied = 0;
    for (int64_t i = 0; i < n; i++) {
        *above += !masked[i] && i != item && scores[i] > scores[item];
        *tied += !masked[i] && i != item && scores[i] == scores[item];
    }
}

static void standing_of(int number)
{
    const topk_shape *s = &shapes[number];
    ops_random r = {(uint64_t)number + 3};
    ops_case *c = ops_begin("standing, shape %d", number);
    const int64_t width = 1 + number * 5 % 21;
    float *x = ops_memory(c, s->tile * s->items, sizeof *x);
    double *scores = ops_doubles(c, s->tile * s->items);
    const int32_t *blocked = make_blocked(c, s, &r);
    int64_t *offsets = ops_memory(c, s->tile + 1, sizeof *offsets);
    int32_t *mask_items = NULL, *items = ops_memory(c, s->tile * width, sizeof *items);
    int32_t *above = ops_memory(c, s->tile * width, sizeof *above);
    int32_t *tied = ops_memory(c, s->tile * width, sizeof *tied);
    const char *masked = make_masks(c, s, &r, offsets, &mask_items);
    for (int64_t i = 0; i < s->tile * s->items; i++) {
        int64_t kind = ops_below(&r, 20);
        x[i] = kind == 0 ? NAN : kind == 1 ? -INFINITY : (float)(ops_below(&r, 41) - 20) / 16;
        scores[i] = blocked[i % s->items] || isnan(x[i]) ? -INFINITY : (double)x[i];
    }
    for (int64_t at = 0; at < s->tile * width; at++) {
        const int64_t t = at / width;
        items[at] = at % 5 == 4 ? -1 : (int32_t)ops_below(&r, s->items);
        above[at] = tied[at] = -1;
        if (items[at] >= 0 && t < s->count && scores[t * s->items + items[at]] > -INFINITY) {
            stand(scores + t * s->items, masked + t * s->items, s->items, items[at], &above[at],
                  &tied[at]);
        }
    }
    const int64_t n_masked = repeat_masked(c, s->tile, offsets, &mask_items);
    rk_standing_values v = {.scores = ops_input(c, RK_F32, s->tile, s->items, x),
                            .items = ops_input(c, RK_I32, s->tile, width, items),
                            .mask_offsets = ops_input(c, RK_I64, s->tile + 1, 1, offsets),
                            .mask_items = ops_input(c, RK_I32, n_masked, 1, mask_items),
                            .blocked = s->has_blocked ? ops_input(c, RK_I32, s->items, 1, blocked)
                                                      : RK_NONE,
                            .count = count_of(c, s),
                            .out_above = ops_variable(c, RK_I32, s->tile, width, NULL),
                            .out_tied = ops_variable(c, RK_I32, s->tile, width, NULL)};
    rk__standing(ops_program(c), v);
    ops_expect_exactly(c, v.out_above, above);
    ops_expect_exactly(c, v.out_tied, tied);
    ops_run(c, 2);
}

static void standing(void)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        if (shapes[i].tile * shapes[i].items < 60000) {
            standing_of(i);
        }
    }
}

const ops_entry ops_cases_topk[] = {
    {RK_OP_STANDING, standing}, {RK_OP_SCORE_TOPK, score_topk},
    {RK_OP_TOP_K, top_k},       {RK_OP_MERGE_TOP_K, merge_top_k},
    {RK_OP_COUNT, NULL},
};
