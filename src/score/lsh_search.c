/* The search in an index: which buckets promise most, and the best of what they hold. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "score/lsh.h"

enum { TABLES = 4, BINS = 1024 };

typedef struct ranked {
    float score;
    int32_t at; /* a bucket, or an item */
} ranked;

/* Is `a` behind `b`? */
static bool is_behind(ranked a, ranked b)
{
    return a.score < b.score || (a.score == b.score && a.at > b.at);
}

static int best_first(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    return is_behind(*a, *b) ? 1 : is_behind(*b, *a) ? -1 : 0;
}

/* The room of a thread. */
typedef struct search {
    const rk_lsh *x;
    float *promise; /* [n_buckets]; owned, as the next */
    ranked *order;  /* [n_buckets], the next ones to look into */
    ranked *best;   /* [k], a heap with the last of the answer at its top */
    int64_t k, n_best, scored;
} search;

static void search_free(search *s)
{
    rk__free(s->promise);
    rk__free(s->order);
    rk__free(s->best);
}

/* search_free is to be called also after a failure. */
static rk_status search_init(search *s, const rk_lsh *x, int64_t k)
{
    *s = (search){.x = x, .k = k};
    RK_TRY(rk__alloc(&s->promise, x->n_buckets, sizeof *s->promise, "buckets to probe"));
    RK_TRY(rk__alloc(&s->order, x->n_buckets, sizeof *s->order, "buckets to probe"));
    return rk__alloc(&s->best, k, sizeof *s->best, "the best items");
}

/* Of each bucket M times the sum of the query's distances from the planes, with the bucket's signs:
 * what the items there score, but for a factor, as far as their code tells. */
static void promise_of(search *s, const float *query)
{
    const rk_lsh *x = s->x;
    float sums[TABLES][256];
    for (int t = 0; t < TABLES; t++) {
        float margins[8];
        for (int bit = 0; bit < 8; bit++) {
            const int64_t p = 8 * t + bit;
            margins[bit] =
                p < x->planes ? rk__lsh_dot(x->normals + p * (x->width + 1), query, x->width) : 0;
        }
        for (int byte = 0; byte < 256; byte++) {
            float sum = 0;
            for (int bit = 0; bit < 8; bit++) {
                sum += byte >> bit & 1 ? margins[bit] : -margins[bit];
            }
            sums[t][byte] = sum;
        }
    }
    const uint32_t bits = ((uint32_t)1 << x->planes) - 1;
    for (int64_t b = 0; b < x->n_buckets; b++) {
        const uint32_t key = x->keys[b], code = key & bits;
        const float sum = (sums[0][code & 255] + sums[1][code >> 8 & 255]) +
                          (sums[2][code >> 16 & 255] + sums[3][code >> 24]);
        s->promise[b] = x->scale[key >> x->planes] * sum;
    }
}

static int bin_of(float promise, float low, float width)
{
    return (int)((promise - low) * width);
}

/* The bin that the `wanted` best end in, of BINS over what is promised; *out_in: how many of that
 * bin are among them. Those that were looked into promise NAN. */
static int last_bin(const search *s, int64_t wanted, float low, float width, int64_t *out_in)
{
    int64_t counts[BINS] = {0}, better = 0;
    for (int64_t b = 0; b < s->x->n_buckets; b++) {
        if (!isnan(s->promise[b])) {
            counts[bin_of(s->promise[b], low, width)]++;
        }
    }
    int bin = BINS - 1;
    while (bin > 0 && better + counts[bin] < wanted) {
        better += counts[bin--];
    }
    *out_in = wanted - better;
    return bin;
}

/* The `wanted` best buckets that were not looked into before, ascending but for the last ones, to
 * s->order; returns how many there are. */
static int64_t choose_buckets(search *s, int64_t wanted)
{
    const int64_t n = s->x->n_buckets;
    float low = INFINITY, high = -INFINITY;
    int64_t chosen = 0, n_last = 0, wanted_last = 0;
    for (int64_t b = 0; b < n; b++) { /* NAN is neither */
        low = s->promise[b] < low ? s->promise[b] : low;
        high = s->promise[b] > high ? s->promise[b] : high;
    }
    const float width = high > low ? (float)(BINS - 1) / (high - low) : 0;
    const int last = last_bin(s, wanted, low, width, &wanted_last);
    for (int64_t b = 0; b < n; b++) {
        const int bin = isnan(s->promise[b]) ? -1 : bin_of(s->promise[b], low, width);
        if (bin > last) {
            s->order[chosen++] = (ranked){s->promise[b], (int32_t)b};
        } else if (bin == last) { /* from the end, backwards */
            s->order[n - ++n_last] = (ranked){s->promise[b], (int32_t)b};
        }
    }
    ranked *rest = s->order + n - n_last;
    wanted_last = wanted_last < n_last ? wanted_last : n_last;
    qsort(rest, (size_t)n_last, sizeof *rest, best_first);
    memmove(s->order + chosen, rest, (size_t)wanted_last * sizeof *rest);
    return chosen + wanted_last;
}

static void sift(ranked *heap, int64_t n, int64_t at)
{
    for (;;) {
        int64_t last = at;
        for (int64_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++) {
            last = is_behind(heap[child], heap[last]) ? child : last;
        }
        if (last == at) {
            return;
        }
        const ranked spare = heap[at];
        heap[at] = heap[last];
        heap[last] = spare;
        at = last;
    }
}

static bool is_masked(const rk_lsh_query *q, int32_t item)
{
    int64_t low = 0, high = q->n_masked;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (q->masked[middle] < item) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < q->n_masked && q->masked[low] == item;
}

static void offer(search *s, const rk_lsh_query *q, const uint8_t *blocked, ranked r)
{
    const bool is_full = s->n_best == s->k;
    if ((is_full && !is_behind(s->best[0], r)) || (blocked && blocked[r.at]) ||
        is_masked(q, r.at)) {
        return;
    }
    if (is_full) {
        s->best[0] = r;
        sift(s->best, s->k, 0);
        return;
    }
    s->best[s->n_best++] = r;
    if (s->n_best == s->k) {
        for (int64_t at = s->k / 2 - 1; at >= 0; at--) {
            sift(s->best, s->k, at);
        }
    }
}

static void look_into(search *s, const rk_lsh_query *q, const uint8_t *blocked, int64_t bucket)
{
    const rk_lsh *x = s->x;
    for (int64_t i = x->starts[bucket]; i < x->starts[bucket + 1]; i++) {
        const float score = rk__lsh_dot(q->vector, x->vectors + i * x->width, x->width);
        offer(s, q, blocked, (ranked){score, x->items[i]});
    }
    s->scored += x->starts[bucket + 1] - x->starts[bucket];
}

static void answer(search *s, const rk_lsh_query *q, const uint8_t *blocked, int64_t probes)
{
    const int64_t n = s->x->n_buckets;
    s->n_best = 0;
    if (probes >= n) {
        for (int64_t b = 0; b < n; b++) {
            look_into(s, q, blocked, b);
        }
    } else {
        promise_of(s, q->vector);
        for (int64_t done = 0; done < n && (done == 0 || s->n_best < s->k); probes *= 4) {
            const int64_t chosen = choose_buckets(s, probes - done);
            for (int64_t i = 0; i < chosen; i++) {
                look_into(s, q, blocked, s->order[i].at);
                s->promise[s->order[i].at] = NAN;
            }
            done += chosen;
        }
    }
}

static void take_best(search *s, int64_t k, int32_t *items, float *scores)
{
    qsort(s->best, (size_t)s->n_best, sizeof *s->best, best_first);
    for (int64_t i = 0; i < k; i++) {
        items[i] = i < s->n_best ? s->best[i].at : -1;
        scores[i] = i < s->n_best ? s->best[i].score : 0;
    }
}

static rk_status check_query(const rk_lsh *x, const rk_lsh_query *q, int64_t number)
{
    float all = 0;
    for (int64_t i = 0; i < x->width; i++) {
        all += q->vector[i] * 0; /* not 0 if one is not finite */
    }
    if (all != 0) {
        RK_FAIL(RK_ERR_DATA, "the vector of query %lld has a number that is not finite",
                (long long)number);
    }
    return RK_OK;
}

/* Where nobody says how many: one in 20. */
static int64_t default_probes(const rk_lsh *x)
{
    enum { LEAST = 64 };
    const int64_t share = x->n_buckets / 20;
    return share > LEAST ? share : LEAST;
}

rk_status rk_lsh_top_k(const rk_lsh *x, const rk_lsh_query *queries, int64_t n, int64_t probes,
                       const uint8_t *blocked, int64_t k, int32_t *items, float *scores,
                       int64_t *out_scored)
{
    rk_status status = RK_OK;
    int64_t scored = 0;
    if (n < 0 || k < 1 || probes < 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%lld answers to %lld queries from %lld buckets are wanted; take 1 or more for 0 "
                "or more, and 1 bucket or more (0 = the usual number)",
                (long long)k, (long long)n, (long long)probes);
    }
    for (int64_t i = 0; i < n; i++) {
        RK_TRY(check_query(x, &queries[i], i));
    }
    probes = probes > 0 ? probes : default_probes(x);
    const int threads = n > 1 ? omp_get_max_threads() : 1;
    search *all = NULL;
    RK_TRY(rk__calloc(&all, threads, sizeof *all, "searches"));
    for (int t = 0; t < threads && status == RK_OK; t++) {
        status = search_init(&all[t], x, k < x->n ? k : x->n);
    }
    if (status == RK_OK) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 4)
        for (int64_t i = 0; i < n; i++) {
            search *s = &all[omp_get_thread_num()];
            answer(s, &queries[i], blocked, probes);
            take_best(s, k, items + i * k, scores + i * k);
        }
    }
    for (int t = 0; t < threads; t++) {
        scored += all[t].scored;
        search_free(&all[t]);
    }
    rk__free(all);
    if (out_scored) {
        *out_scored = scored;
    }
    return status;
}
