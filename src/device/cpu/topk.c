/*
 * The best items of a tile of queries: scores in strips (strips.h, or rows that are there), masked
 * items left out, a running top K.
 *
 * A strip's scores are compared with the query's K-th best so far, and only the few that pass meet
 * the lists of masked items and the heap. Items come in ascending order and a score must beat the
 * K-th best to enter, so ties go to the smaller item, whatever the sizes of strips and parts.
 */
#include <math.h>

#include "device/cpu/strips.h"

enum {
    ABOVE_SLACK = 16, /* see rk_isa.above */
    ROW_STRIP = 1024, /* scores of a row that are looked through together */
};

/* A query's place in the tile: how far its mask list has been walked, the heap's size. */
typedef struct ranking {
    const int32_t *masked, *masked_end;
    const int32_t *blocked; /* NULL = nothing is */
    int32_t *items;         /* heap of `held`: the worst on top */
    float *scores;
    int32_t held, k;
} ranking;

/* The inputs of a call behind its scores. */
typedef struct ranked_inputs {
    const int64_t *mask_offsets;
    const int32_t *mask_items, *blocked;
    int64_t n_queries, n_used;
} ranked_inputs;

static ranked_inputs inputs_of(const rk_call *call, int mask)
{
    ranked_inputs in = {call->in[mask], call->in[mask + 1], call->in[mask + 2],
                        rk__in(call, 0)->rows, 0};
    in.n_used = rk__used_queries(call->in[mask + 3], in.n_queries);
    return in;
}

/* ---- the running top K ---- */

static ranking start_ranking(const rk_call *call, const ranked_inputs *in, int64_t query,
                             int32_t *items, float *scores)
{
    return (ranking){.masked = in->mask_items + in->mask_offsets[query],
                     .masked_end = in->mask_items + in->mask_offsets[query + 1],
                     .blocked = in->blocked,
                     .items = items,
                     .scores = scores,
                     .k = call->node->attr.topk.k};
}

/* Items are asked for in ascending order, so the list is walked once. */
static bool is_masked(ranking *r, int32_t item)
{
    while (r->masked < r->masked_end && *r->masked < item) {
        r->masked++;
    }
    return (r->masked < r->masked_end && *r->masked == item) || (r->blocked && r->blocked[item]);
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

static int64_t found_bytes(int64_t most)
{
    return rk__cache_lines((most + ABOVE_SLACK) * (int64_t)sizeof(int32_t));
}

/* found: room for n + ABOVE_SLACK. */
static void take_scores(const rk_isa *isa, ranking *r, const float *scores, int64_t first,
                        int64_t n, int32_t *found)
{
    float bar = r->held == r->k ? r->scores[0] : -INFINITY;
    int64_t n_found = isa->above(scores, n, bar, found);
    for (int64_t i = 0; i < n_found; i++) {
        int32_t item = (int32_t)first + found[i];
        float score = scores[found[i]];
        if ((r->held < r->k || score > r->scores[0]) && !is_masked(r, item)) {
            insert(r, item, score);
        }
    }
}

static void finish_unused(const rk_call *call, const ranked_inputs *in)
{
    int64_t k = call->node->attr.topk.k;
    for (int64_t query = in->n_used; query < in->n_queries; query++) {
        finish_ranking(&(ranking){.items = (int32_t *)call->out[0] + query * k,
                                  .scores = (float *)call->out[1] + query * k,
                                  .k = (int32_t)k});
    }
}

/* ---- scores that are there ---- */

int64_t rk__cpu_scratch_top_k(const rk_call *call)
{
    return call->threads * found_bytes(ROW_STRIP);
}

void rk__cpu_top_k(const rk_call *call)
{
    const ranked_inputs in = inputs_of(call, 1);
    int64_t k = call->node->attr.topk.k, n_items = rk__in(call, 0)->cols;
    const int64_t first_item = call->node->attr.topk.items.first;
    RK_CPU_FOR(call, query, in.n_used)
    {
        const float *scores = (const float *)call->in[0] + query * n_items;
        int32_t *found =
            (void *)((char *)call->scratch + rk__cpu_thread() * found_bytes(ROW_STRIP));
        ranking r = start_ranking(call, &in, query, (int32_t *)call->out[0] + query * k,
                                  (float *)call->out[1] + query * k);
        for (int64_t first = 0; first < n_items; first += ROW_STRIP) {
            int64_t n = n_items - first < ROW_STRIP ? n_items - first : ROW_STRIP;
            take_scores(call->isa, &r, scores + first, first_item + first, n, found);
        }
        finish_ranking(&r);
    }
    finish_unused(call, &in);
}

/* ---- two lists ---- */

/* Best first, -1 behind the last. */
typedef struct ranked_list {
    const int32_t *items;
    const float *scores;
    int64_t n; /* room */
} ranked_list;

static ranked_list list_of(const rk_call *call, int input, int64_t query)
{
    const int64_t n = rk__in(call, input)->cols;
    return (ranked_list){(const int32_t *)call->in[input] + query * n,
                         (const float *)call->in[input + 1] + query * n, n};
}

static bool is_left(const ranked_list *l, int64_t i)
{
    return i < l->n && l->items[i] >= 0;
}

void rk__cpu_merge_top_k(const rk_call *call)
{
    const int64_t k = call->node->attr.topk.k, n_queries = rk__out(call, 0)->rows;
    RK_CPU_FOR_ROWS(call, query, n_queries)
    {
        const ranked_list a = list_of(call, 0, query), b = list_of(call, 2, query);
        int32_t *items = (int32_t *)call->out[0] + query * k;
        float *scores = (float *)call->out[1] + query * k;
        for (int64_t i = 0, of_a = 0, of_b = 0; i < k; i++) {
            bool has_a = is_left(&a, of_a), has_b = is_left(&b, of_b);
            bool takes_a =
                has_a && (!has_b || a.scores[of_a] > b.scores[of_b] ||
                          (a.scores[of_a] == b.scores[of_b] && a.items[of_a] < b.items[of_b]));
            items[i] = takes_a ? a.items[of_a] : has_b ? b.items[of_b] : -1;
            scores[i] = takes_a ? a.scores[of_a] : has_b ? b.scores[of_b] : 0;
            of_a += takes_a;
            of_b += !takes_a && has_b;
        }
    }
}

/* ---- where items stand ---- */

/* How many of the items that are not blocked score higher than `score`, and how many as high. */
static void count_all(const float *scores, const int32_t *blocked, int64_t n, float score,
                      int32_t *out_above, int32_t *out_tied)
{
    int32_t above = 0, tied = 0;
    for (int64_t i = 0; i < n; i++) {
        const bool is_open = !blocked || blocked[i] == 0;
        above += is_open && scores[i] > score;
        tied += is_open && scores[i] == score;
    }
    *out_above = above;
    *out_tied = tied;
}

static bool is_never_ranked(const ranked_inputs *in, const float *scores, int32_t item)
{
    return (in->blocked && in->blocked[item] != 0) || !(scores[item] > -INFINITY);
}

static void stand(const ranked_inputs *in, const float *scores, int64_t n, int64_t query,
                  int32_t item, int32_t *above, int32_t *tied)
{
    const float score = scores[item];
    bool is_masked = false;
    count_all(scores, in->blocked, n, score, above, tied);
    for (int64_t m = in->mask_offsets[query]; m < in->mask_offsets[query + 1]; m++) {
        const int32_t masked = in->mask_items[m];
        const bool is_first = m == in->mask_offsets[query] || masked != in->mask_items[m - 1];
        if (is_first && !is_never_ranked(in, scores, masked)) {
            *above -= scores[masked] > score;
            *tied -= scores[masked] == score;
            is_masked = is_masked || masked == item;
        }
    }
    *tied -= !is_masked; /* itself */
}

void rk__cpu_standing(const rk_call *call)
{
    const ranked_inputs in = inputs_of(call, 2);
    const int64_t width = rk__in(call, 1)->cols, n = rk__in(call, 0)->cols;
    int32_t *above = call->out[0], *tied = call->out[1];
    RK_CPU_FOR(call, query, in.n_queries)
    {
        const float *scores = (const float *)call->in[0] + query * n;
        const int32_t *items = (const int32_t *)call->in[1] + query * width;
        for (int64_t p = 0; p < width; p++) {
            const int64_t at = query * width + p;
            above[at] = tied[at] = -1;
            if (query < in.n_used && items[p] >= 0 && !is_never_ranked(&in, scores, items[p])) {
                stand(&in, scores, n, query, items[p], &above[at], &tied[at]);
            }
        }
    }
}

/* ---- dot products ---- */

/* Rankings [parts][n_queries]; those of part 0 are in the outputs. */
typedef struct ranking_parts {
    const rk_call *call;
    ranking *rankings;
    char *found;
    int64_t n_queries, most;
} ranking_parts;

/* Of a few queries every thread has a part of the items, and a heap for each query. */
static int64_t most_parts(const rk_call *call)
{
    return call->isa->few_scores ? call->threads - 1 : 0;
}

static int64_t ranking_bytes(const rk_call *call)
{
    int64_t few = most_parts(call) * RK_FEW_QUERIES;
    return rk__cache_lines((rk__in(call, 0)->rows + few) * (int64_t)sizeof(ranking));
}

static int64_t heap_bytes(const rk_call *call)
{
    return rk__cache_lines(most_parts(call) * RK_FEW_QUERIES * call->node->attr.topk.k * 4);
}

int64_t rk__cpu_scratch_score_topk(const rk_call *call)
{
    int64_t d = rk__in(call, 0)->cols, n_items = call->node->attr.topk.items.n;
    return ranking_bytes(call) + 2 * heap_bytes(call) +
           call->threads * found_bytes(rk__strips_most(call, d)) +
           rk__strips_scratch(call, rk__in(call, 0)->rows, n_items, d);
}

static void take_strip(void *self, int64_t part, int64_t query, const float *scores, int64_t first,
                       int64_t n)
{
    const ranking_parts *all = self;
    char *found = all->found + rk__cpu_thread() * found_bytes(all->most);
    take_scores(all->call->isa, &all->rankings[part * all->n_queries + query], scores, first, n,
                (int32_t *)(void *)found);
}

/* Later parts have larger items: theirs must beat the worst to enter. */
static void merge(ranking *r, const ranking *part)
{
    for (int32_t i = 0; i < part->held; i++) {
        float worst = r->scores[0];
        if (r->held < r->k || part->scores[i] > worst ||
            (part->scores[i] == worst && part->items[i] < r->items[0])) {
            insert(r, part->items[i], part->scores[i]);
        }
    }
}

void rk__cpu_score_topk(const rk_call *call)
{
    const ranked_inputs in = inputs_of(call, 2);
    const rk_topk_attr *a = &call->node->attr.topk;
    int64_t d = rk__in(call, 0)->cols, k = a->k;
    const rk_strips s = {.queries = call->in[0],
                         .items = (const float *)call->in[1] + a->items.first * d,
                         .n_queries = in.n_used,
                         .n_items = a->items.n,
                         .d = d};
    char *scratch = call->scratch;
    ranking *rankings = rk__cpu_take(&scratch, ranking_bytes(call));
    int32_t *items = rk__cpu_take(&scratch, heap_bytes(call));
    float *scores = rk__cpu_take(&scratch, heap_bytes(call));
    ranking_parts all = {call, rankings, scratch, in.n_used, rk__strips_most(call, d)};
    int64_t n_parts = rk__strips_parts(call, &s);
    for (int64_t i = 0; i < n_parts * in.n_used; i++) {
        int64_t at = i < in.n_used ? i : i - in.n_used;
        rankings[i] = start_ranking(call, &in, i % in.n_used,
                                    (i < in.n_used ? (int32_t *)call->out[0] : items) + at * k,
                                    (i < in.n_used ? (float *)call->out[1] : scores) + at * k);
    }
    rk__strips_run(call, &s, scratch + call->threads * found_bytes(all.most), take_strip, &all);
    RK_CPU_FOR_ROWS(call, query, in.n_used)
    {
        for (int64_t part = 1; part < n_parts; part++) {
            merge(&rankings[query], &rankings[part * in.n_used + query]);
        }
        finish_ranking(&rankings[query]);
    }
    finish_unused(call, &in);
}
