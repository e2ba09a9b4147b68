/* An index of vectors: hyperplanes, ranges of norms, the codes of items, buckets. */
#include "score/lsh.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "base/timer.h"

/* Items of a code, over all codes: with fewer, looking through the codes of buckets takes
 * longer than the items that this saves. */
enum { IN_A_CODE = 128, RADIX = 11 };

/* The hyperplanes' normals: normal numbers, made orthogonal as far as there are dimensions, which
 * makes a code tell more (super-bit hashing, Ji et al., NeurIPS 2012). */
static void draw_normals(rk_lsh *x, uint64_t seed)
{
    const int64_t width = x->width + 1;
    for (int64_t p = 0; p < x->planes; p++) {
        float *normal = x->normals + p * width;
        for (int64_t i = 0; i < width; i += 2) {
            const rk_words w = rk__philox(seed, RK_PURPOSE_PLANES, (uint64_t)p, (uint64_t)i, 0);
            float two[2];
            rk__normal2(w.v[0], w.v[1], two);
            memcpy(normal + i, two, (i + 1 < width ? 2 : 1) * sizeof *two);
        }
        for (int64_t other = p / width * width; other < p; other++) {
            const float *before = x->normals + other * width;
            const float along = rk__lsh_dot(normal, before, width);
            for (int64_t i = 0; i < width; i++) {
                normal[i] -= along * before[i];
            }
        }
        const float length = sqrtf(rk__lsh_dot(normal, normal, width));
        for (int64_t i = 0; i < width; i++) {
            normal[i] /= length > 0 ? length : 1;
        }
    }
}

/* What is hashed: an item without the mean of all, and its norm. */
typedef struct hashing {
    const float *vectors;
    const uint8_t *left_out;
    int64_t n;         /* items of the caller */
    float *mean;       /* [width + 1]; owned */
    float *norms;      /* [n]; owned */
    uint32_t *keys[2]; /* [n]; owned, as the next */
    int32_t *items[2];
} hashing;

static void hashing_free(hashing *h)
{
    rk__free(h->mean);
    rk__free(h->norms);
    for (int i = 0; i < 2; i++) {
        rk__free(h->keys[i]);
        rk__free(h->items[i]);
    }
}

static bool is_in(const hashing *h, int64_t item)
{
    return !h->left_out || !h->left_out[item];
}

static rk_status find_mean(rk_lsh *x, hashing *h)
{
    double *sums = NULL;
    int64_t n = 0;
    RK_TRY(rk__calloc(&sums, x->width, sizeof *sums, "the mean of vectors"));
    for (int64_t item = 0; item < h->n; item++) {
        const float *v = h->vectors + item * x->width;
        float all = 0;
        for (int64_t i = 0; i < x->width; i++) {
            all += v[i] * 0; /* not 0 if one is not finite */
        }
        if (all != 0) {
            rk__free(sums);
            RK_FAIL(RK_ERR_DATA, "the vector of item %lld has a number that is not finite",
                    (long long)item);
        }
        for (int64_t i = 0; is_in(h, item) && i < x->width; i++) {
            sums[i] += (double)v[i];
        }
        n += is_in(h, item);
    }
    for (int64_t i = 0; i < x->width; i++) {
        h->mean[i] = n > 0 ? (float)(sums[i] / (double)n) : 0;
    }
    rk__free(sums);
    x->n = n;
    return RK_OK;
}

/* Norms without the mean, and from the largest of them the ranges. */
static void find_norms(rk_lsh *x, hashing *h)
{
    float largest = 0;
#pragma omp parallel for schedule(static) reduction(max : largest)
    for (int64_t item = 0; item < h->n; item++) {
        const float *v = h->vectors + item * x->width;
        float squares = 0;
        for (int64_t i = 0; i < x->width; i++) {
            const float d = v[i] - h->mean[i];
            squares += d * d;
        }
        h->norms[item] = sqrtf(squares);
        largest = is_in(h, item) && h->norms[item] > largest ? h->norms[item] : largest;
    }
    for (int r = 0; r < RK_LSH_RANGES; r++) {
        x->scale[r] = largest * powf(2, -0.5F * (float)r);
    }
}

static uint32_t key_of(const rk_lsh *x, const hashing *h, const float *offsets, int64_t item)
{
    const float *v = h->vectors + item * x->width;
    const float norm = h->norms[item];
    int range = 0;
    while (range + 1 < RK_LSH_RANGES && norm <= x->scale[range + 1]) {
        range++;
    }
    const float m = x->scale[range], more = m * m - norm * norm;
    const float last = more > 0 ? sqrtf(more) : 0;
    uint32_t code = 0;
    for (int64_t p = 0; p < x->planes; p++) {
        const float *normal = x->normals + p * (x->width + 1);
        const float side = rk__lsh_dot(normal, v, x->width) - offsets[p] + normal[x->width] * last;
        code |= (uint32_t)(side > 0) << p;
    }
    return (uint32_t)range << x->planes | code;
}

static void hash_items(const rk_lsh *x, hashing *h)
{
    float offsets[RK_MOST_PLANES];
    int64_t n = 0;
    for (int64_t p = 0; p < x->planes; p++) {
        offsets[p] = rk__lsh_dot(x->normals + p * (x->width + 1), h->mean, x->width);
    }
    for (int64_t item = 0; item < h->n; item++) {
        if (is_in(h, item)) {
            h->items[0][n++] = (int32_t)item;
        }
    }
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        h->keys[0][i] = key_of(x, h, offsets, h->items[0][i]);
    }
}

/* Sorts by key, items of one key ascending as they were: RADIX bits at a time. */
static rk_status sort_items(const rk_lsh *x, hashing *h)
{
    enum { CELLS = 1 << RADIX };
    int64_t *cells = NULL;
    RK_TRY(rk__alloc(&cells, CELLS, sizeof *cells, "a histogram of buckets"));
    for (int shift = 0; shift < 33; shift += RADIX) {
        memset(cells, 0, CELLS * sizeof *cells);
        for (int64_t i = 0; i < x->n; i++) {
            cells[h->keys[0][i] >> shift & (CELLS - 1)]++;
        }
        int64_t at = 0;
        for (int c = 0; c < CELLS; c++) {
            const int64_t count = cells[c];
            cells[c] = at;
            at += count;
        }
        for (int64_t i = 0; i < x->n; i++) {
            const int64_t to = cells[h->keys[0][i] >> shift & (CELLS - 1)]++;
            h->keys[1][to] = h->keys[0][i];
            h->items[1][to] = h->items[0][i];
        }
        uint32_t *keys = h->keys[0];
        int32_t *items = h->items[0];
        h->keys[0] = h->keys[1];
        h->items[0] = h->items[1];
        h->keys[1] = keys;
        h->items[1] = items;
    }
    rk__free(cells);
    return RK_OK;
}

static rk_status fill_buckets(rk_lsh *x, hashing *h)
{
    const uint32_t *keys = h->keys[0];
    for (int64_t i = 0; i < x->n; i++) {
        x->n_buckets += i == 0 || keys[i] != keys[i - 1];
    }
    RK_TRY(rk__alloc(&x->keys, x->n_buckets, sizeof *x->keys, "buckets"));
    RK_TRY(rk__alloc(&x->starts, x->n_buckets + 1, sizeof *x->starts, "buckets"));
    int64_t bucket = 0;
    for (int64_t i = 0; i < x->n; i++) {
        if (i == 0 || keys[i] != keys[i - 1]) {
            x->keys[bucket] = keys[i];
            x->starts[bucket++] = i;
        }
    }
    x->starts[bucket] = x->n;
    x->items = h->items[0];
    h->items[0] = NULL;
    RK_TRY(rk__alloc(&x->vectors, x->n * x->width, sizeof *x->vectors, "vectors by bucket"));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < x->n; i++) {
        memcpy(x->vectors + i * x->width, h->vectors + x->items[i] * x->width,
               (size_t)x->width * sizeof *x->vectors);
    }
    return RK_OK;
}

static int64_t default_planes(int64_t n)
{
    int64_t planes = 4;
    while (planes < RK_MOST_PLANES && n >> planes > IN_A_CODE) {
        planes++;
    }
    return planes;
}

static rk_status make(rk_lsh *x, hashing *h, uint64_t seed)
{
    const double began = rk__now();
    RK_TRY(rk__alloc(&h->mean, x->width, sizeof *h->mean, "the mean of vectors"));
    RK_TRY(find_mean(x, h));
    x->planes = x->planes > 0 ? x->planes : default_planes(x->n);
    RK_TRY(rk__alloc(&x->normals, x->planes * (x->width + 1), sizeof *x->normals, "hyperplanes"));
    RK_TRY(rk__alloc(&h->norms, h->n, sizeof *h->norms, "norms of vectors"));
    for (int i = 0; i < 2; i++) {
        RK_TRY(rk__alloc(&h->keys[i], x->n, sizeof *h->keys[i], "buckets of items"));
        RK_TRY(rk__alloc(&h->items[i], x->n, sizeof *h->items[i], "items of buckets"));
    }
    draw_normals(x, seed);
    find_norms(x, h);
    hash_items(x, h);
    RK_TRY(sort_items(x, h));
    RK_TRY(fill_buckets(x, h));
    x->seconds = rk__now() - began;
    return RK_OK;
}

rk_status rk_lsh_create(const float *vectors, int64_t n, int64_t width,
                        const rk_lsh_options *options, rk_lsh **out)
{
    const rk_lsh_options how = options ? *options : (rk_lsh_options){0};
    hashing h = {.vectors = vectors, .left_out = how.left_out, .n = n};
    rk_lsh *x = NULL;
    if (n < 0 || n > INT32_MAX || width < 1 || how.planes < 0 || how.planes > RK_MOST_PLANES) {
        RK_FAIL(RK_ERR_CONFIG,
                "%lld items of %lld numbers and %lld planes make no index: take up to 2^31 items, "
                "1 number or more, and 1 to %d planes (0 = by the number of items)",
                (long long)n, (long long)width, (long long)how.planes, RK_MOST_PLANES);
    }
    RK_TRY(rk__calloc(&x, 1, sizeof *x, "an index"));
    x->n_all = n;
    x->width = width;
    x->planes = how.planes;
    rk_status status = make(x, &h, how.seed);
    hashing_free(&h);
    if (status != RK_OK) {
        rk_lsh_free(x);
        return status;
    }
    *out = x;
    return RK_OK;
}

void rk_lsh_free(rk_lsh *x)
{
    if (x) {
        rk__free(x->normals);
        rk__free(x->vectors);
        rk__free(x->items);
        rk__free(x->keys);
        rk__free(x->starts);
        rk__free(x);
    }
}

rk_lsh_facts rk_lsh_get_facts(const rk_lsh *x)
{
    rk_lsh_facts f = {.items = x->n,
                      .width = x->width,
                      .planes = x->planes,
                      .buckets = x->n_buckets,
                      .seconds = x->seconds};
    for (int64_t b = 0; b < x->n_buckets; b++) {
        const int64_t n = x->starts[b + 1] - x->starts[b];
        f.largest = n > f.largest ? n : f.largest;
    }
    f.bytes = (int64_t)sizeof *x + x->planes * (x->width + 1) * (int64_t)sizeof(float) +
              x->n * (x->width * (int64_t)sizeof(float) + (int64_t)sizeof(int32_t)) +
              x->n_buckets * (int64_t)(sizeof(uint32_t) + sizeof(int64_t));
    return f;
}
