/* Ranking. Embeddings are multiples of 1/16 below 2, so that every score is exact in a float in
 * any order of addition: results can be compared item by item, and ties are frequent. In cases of
 * near ties the items differ only in digits that TF32 does not keep. */
#include "ops/harness.h"

#include <math.h>

typedef struct topk_shape {
    int64_t users, items, d, k, tile;
    double chance;
    bool has_other;
    int levels; /* of the embeddings' values: few levels make many ties; 0: near ties */
} topk_shape;

static const topk_shape shapes[] = {
    {1, 1, 1, 1, 1, 0, false, 2},
    {7, 5, 3, 5, 7, 0.3, true, 2},
    {33, 7, 16, 3, 20, 0.9, false, 3},
    {40, 300, 20, 10, 33, 0.2, true, 3},
    {40, 1100, 64, 20, 40, 0.1, true, 30},
    {30, 2500, 65, 50, 30, 0.3, false, 30},
    {9, 3000, 130, 3000, 5, 0.2, true, 4},
    {150, 700, 8, 7, 150, 0.5, true, 2},
    {20, 9000, 64, 20, 16, 0.05, false, 8}, /* more items than one slab */
    {5, 600, 1500, 9, 5, 0.1, false, 5},    /* a panel larger than a strip */
    {12, 3000, 64, 20, 12, 0.1, true, 0},
    {9, 300, 12, 4, 9, 0.02, false, 0},
    {6, 1500, 33, 50, 6, 0.2, false, 0},
    /* more candidates than there is room for */
    {6, 4000, 1, 10, 6, 0.1, true, 1},
    {9, 1500, 1, 1, 9, 0.01, false, 1},
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

/* other: a flag for each user and item; lists of items in CSR form. */
static char *make_other(ops_case *c, const topk_shape *s, ops_random *r, int64_t **out_offsets,
                        int32_t **out_items)
{
    char *flags = ops_memory(c, s->users * s->items, 1);
    int64_t *offsets = ops_memory(c, s->users + 1, sizeof *offsets), n = 0;
    int32_t *items = ops_memory(c, s->users * s->items, sizeof *items);
    for (int64_t u = 0; u < s->users; u++) {
        for (int64_t i = 0; i < s->items; i++) {
            if (s->has_other && ops_below(r, 7) == 0) {
                flags[u * s->items + i] = 1;
                items[n++] = (int32_t)i;
            }
        }
        offsets[u + 1] = n;
    }
    *out_offsets = offsets;
    *out_items = items;
    return flags;
}

/* Items in families of ten around a vector of multiples of 2^-10, each off it by a few multiples of
 * 2^-13, users of multiples of 1/4: the sums of a few dozen products fit in a float's 24 bits, but
 * cut to TF32's 11 a family is one vector. */
static void make_near_ties(const topk_shape *s, float *x, ops_random *r)
{
    enum { FAMILY = 10 };
    for (int64_t row = 0; row < s->users + s->items; row++) {
        int64_t item = row - s->users;
        ops_random family = {(uint64_t)(item / FAMILY + 77)};
        for (int64_t j = 0; j < s->d; j++) {
            double base = (double)(ops_below(&family, 2049) - 1024) / 1024;
            double off = (double)(ops_below(r, 7) - 3) / 8192;
            x[row * s->d + j] = (float)(item < 0 ? (double)(ops_below(r, 9) - 4) / 4 : base + off);
        }
    }
}

static void make_embeddings(const topk_shape *s, float *x, ops_random *r)
{
    if (s->levels == 0) {
        make_near_ties(s, x, r);
        return;
    }
    for (int64_t j = 0; j < (s->users + s->items) * s->d; j++) {
        x[j] = (float)(ops_below(r, 2 * s->levels + 1) - s->levels) / 16;
    }
}

static void expected_ranking(const topk_shape *s, const ops_graph *g, const float *x,
                             const char *other, int32_t user, scored *work, int32_t *items,
                             double *scores)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->items && user >= 0; i++) {
        bool seen = other[user * s->items + i];
        for (int64_t e = g->offsets[user]; e < g->offsets[user + 1]; e++) {
            seen = seen || g->columns[e] == s->users + i;
        }
        if (!seen) {
            double score = 0;
            for (int64_t j = 0; j < s->d; j++) {
                score += (double)x[user * s->d + j] * (double)x[(s->users + i) * s->d + j];
            }
            work[n++] = (scored){score, (int32_t)i};
        }
    }
    qsort(work, (size_t)n, sizeof *work, best_first);
    for (int64_t i = 0; i < s->k; i++) {
        items[i] = i < n ? work[i].item : -1;
        scores[i] = i < n ? work[i].score : 0;
    }
}

static void topk_of(int number)
{
    const topk_shape *s = &shapes[number];
    ops_random r = {(uint64_t)number + 5};
    ops_case *c = ops_begin("score_topk, shape %d", number);
    ops_graph g = ops_make_graph(c, s->users, s->items, s->chance, &r);
    int64_t nodes = g.n_nodes, *other_offsets = NULL;
    int32_t *other_items = NULL, *users = ops_memory(c, s->tile, sizeof *users);
    char *other = make_other(c, s, &r, &other_offsets, &other_items);
    float *x = ops_memory(c, nodes * s->d, sizeof *x);
    make_embeddings(s, x, &r);
    for (int64_t i = 0; i < s->tile; i++) { /* any order, some twice, some unused */
        users[i] = i % 5 == 3 ? -1 : (int32_t)ops_below(&r, s->users);
    }
    users[0] = 0; /* who has nearly everything */
    int32_t *items = ops_memory(c, s->tile * s->k, sizeof *items);
    double *scores = ops_doubles(c, s->tile * s->k), *zero = ops_doubles(c, s->tile * s->k);
    scored *work = ops_memory(c, s->items, sizeof *work);
    for (int64_t i = 0; i < s->tile; i++) {
        expected_ranking(s, &g, x, other, users[i], work, items + i * s->k, scores + i * s->k);
    }
    rk_graph_values graph = ops_graph_inputs(c, &g);
    int64_t n_other = other_offsets[s->users];
    rk_topk_values v = {.final = ops_input(c, RK_F32, nodes, s->d, x),
                        .users = ops_input(c, RK_I32, s->tile, 1, users),
                        .train_offsets = graph.offsets,
                        .train_columns = graph.columns,
                        .other_offsets = RK_NONE,
                        .other_columns = RK_NONE,
                        .items = ops_variable(c, RK_I32, s->tile, s->k, NULL),
                        .scores = ops_variable(c, RK_F32, s->tile, s->k, NULL)};
    if (s->has_other) {
        v.other_offsets = ops_input(c, RK_I64, s->users + 1, 1, other_offsets);
        v.other_columns = ops_input(c, RK_I32, n_other, 1, other_items);
    }
    rk__score_topk(ops_program(c), v,
                   (rk_topk_attr){.k = (int32_t)s->k, .n_users = s->users, .n_items = s->items});
    ops_expect_exactly(c, v.items, items);
    ops_expect_reals(c, v.scores, scores, zero, 0);
    ops_run(c, 2); /* twice: nothing is left over from the first */
}

static void score_topk(void)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        topk_of(i);
    }
}

const ops_entry ops_cases_topk[] = {
    {RK_OP_SCORE_TOPK, score_topk},
    {RK_OP_COUNT, NULL},
};
