/*
 * Approximate answers: with all buckets what a sort in double says, recall on a fixed seed, masks,
 * threads, bad input, lack of memory. tests/train/test_answers.c asks models.
 */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "rankine/approximate.h"
#include "support/support.h"

enum { ITEMS = 3000, WIDTH = 13, QUERIES = 24, TOP = 10, EVERYTHING = 1 << 30 };

typedef struct catalogue {
    float items[ITEMS * WIDTH], queries[QUERIES * WIDTH];
    rk_lsh_query asked[QUERIES];
    int32_t masked[QUERIES][40];
} catalogue;

static float normal(uint64_t of, uint64_t i)
{
    float two[2];
    const rk_words w = rk__philox(5, RK_PURPOSE_SYNTH, of, i, 0);
    rk__normal2(w.v[0], w.v[1], two);
    return two[0];
}

/* Items around 40 centres and a mean that is not 0, some far longer than others; item 7 is all
 * zeros, and 11 and 12 are the same. Queries near centres. */
static catalogue *make_catalogue(void)
{
    catalogue *c = calloc(1, sizeof *c);
    assert_non_null(c);
    for (uint64_t i = 0; i < ITEMS; i++) {
        const float length = expf(0.4F * normal(1, i));
        for (uint64_t j = 0; j < WIDTH; j++) {
            const float centre = normal(2, i % 40 * WIDTH + j);
            c->items[i * WIDTH + j] =
                i == 7 ? 0 : 0.5F + length * (centre + 0.5F * normal(3, i * WIDTH + j));
        }
    }
    memcpy(c->items + 12 * WIDTH, c->items + 11 * WIDTH, WIDTH * sizeof(float));
    for (uint64_t q = 0; q < QUERIES; q++) {
        for (uint64_t j = 0; j < WIDTH; j++) {
            c->queries[q * WIDTH + j] =
                normal(2, q % 40 * WIDTH + j) + 0.3F * normal(4, q * WIDTH + j);
        }
        for (int32_t m = 0; m < 40; m++) {
            c->masked[q][m] = 3 * m + (int32_t)q;
        }
        c->asked[q] = (rk_lsh_query){.vector = c->queries + q * WIDTH};
    }
    return c;
}

static double score(const catalogue *c, int64_t q, int64_t item)
{
    double sum = 0;
    for (int j = 0; j < WIDTH; j++) {
        sum += (double)c->queries[q * WIDTH + j] * (double)c->items[item * WIDTH + j];
    }
    return sum;
}

static bool may_answer(const catalogue *c, int64_t q, int64_t item, const uint8_t *blocked)
{
    bool may = !blocked || !blocked[item];
    for (int64_t m = 0; m < c->asked[q].n_masked; m++) {
        may = may && c->asked[q].masked[m] != item;
    }
    return may;
}

/* The TOP best items of a query, by all scores in double. */
static void sort_all(const catalogue *c, int64_t q, const uint8_t *blocked, int64_t out[TOP])
{
    static double scores[ITEMS];
    for (int64_t i = 0; i < ITEMS; i++) {
        scores[i] = may_answer(c, q, i, blocked) ? score(c, q, i) : -INFINITY;
    }
    for (int k = 0; k < TOP; k++) {
        out[k] = 0;
        for (int64_t i = 1; i < ITEMS; i++) {
            out[k] = scores[i] > scores[out[k]] ? i : out[k];
        }
        scores[out[k]] = -INFINITY;
    }
}

typedef struct answers {
    int32_t items[QUERIES * TOP];
    float scores[QUERIES * TOP];
    int64_t scored;
} answers;

static double recall(const catalogue *c, const rk_lsh *index, int64_t probes,
                     const uint8_t *blocked, answers *a)
{
    int found = 0;
    assert_ok(rk_lsh_top_k(index, c->asked, QUERIES, probes, blocked, TOP, a->items, a->scores,
                           &a->scored));
    for (int64_t q = 0; q < QUERIES; q++) {
        int64_t best[TOP];
        sort_all(c, q, blocked, best);
        for (int k = 0; k < TOP; k++) {
            const int32_t item = a->items[q * TOP + k];
            assert_true(item >= 0 && may_answer(c, q, item, blocked));
            assert_close((double)a->scores[q * TOP + k], score(c, q, item), 1e-5, 10);
            assert_true(k == 0 || a->scores[q * TOP + k] <= a->scores[q * TOP + k - 1]);
            for (int b = 0; b < TOP; b++) {
                found += best[b] == item;
            }
        }
    }
    return (double)found / (QUERIES * TOP);
}

static void more_buckets_find_more(void **state)
{
    (void)state;
    catalogue *c = make_catalogue();
    static answers a, all;
    for (int64_t planes = 0; planes <= 12; planes += 6) {
        rk_lsh *index = NULL;
        const rk_lsh_options how = {.planes = planes, .seed = 3};
        assert_ok(rk_lsh_create(c->items, ITEMS, WIDTH, &how, &index));
        const rk_lsh_facts f = rk_lsh_get_facts(index);
        assert_true(f.items == ITEMS && f.width == WIDTH && f.planes == (planes ? planes : 5));
        assert_in_range(f.buckets, 40, ITEMS);
        double before = 0;
        for (int64_t probes = 1; probes < 4 * f.buckets; probes *= 4) {
            const double r = recall(c, index, probes, NULL, &a);
            assert_true(r >= before);
            before = r;
        }
        assert_true(before == 1 && a.scored == QUERIES * ITEMS);
        assert_true(recall(c, index, EVERYTHING, NULL, &all) == 1);
        assert_memory_equal(a.items, all.items, sizeof a.items);
        assert_memory_equal(a.scores, all.scores, sizeof a.scores);
        rk_lsh_free(index);
    }
    free(c);
}

/* Most of what there is, from a part of the items. A hash that says
 * nothing would find about as much as that part, a tenth. */
static void a_few_buckets_find_most(void **state)
{
    (void)state;
    catalogue *c = make_catalogue();
    static answers a;
    rk_lsh *index = NULL;
    const rk_lsh_options how = {.planes = 8};
    assert_ok(rk_lsh_create(c->items, ITEMS, WIDTH, &how, &index));
    const double r = recall(c, index, 64, NULL, &a);
    printf("recall@10 of 64 of %d buckets: %.3f, %.3f of the items\n",
           (int)rk_lsh_get_facts(index).buckets, r, (double)a.scored / (QUERIES * ITEMS));
    assert_true(r > 0.85 && a.scored < QUERIES * ITEMS / 3);
    rk_lsh_free(index);
    free(c);
}

static void masks_are_honoured(void **state)
{
    (void)state;
    catalogue *c = make_catalogue();
    static answers a;
    static uint8_t blocked[ITEMS];
    rk_lsh *index = NULL;
    for (int64_t i = 0; i < ITEMS; i++) {
        blocked[i] = i % 50 != 7; /* 60 items are left: one bucket has not enough of them */
    }
    for (int64_t q = 0; q < QUERIES; q++) {
        c->asked[q].masked = c->masked[q];
        c->asked[q].n_masked = 40;
    }
    assert_ok(rk_lsh_create(c->items, ITEMS, WIDTH, NULL, &index));
    (void)recall(c, index, 1, NULL, &a);
    (void)recall(c, index, 1, blocked, &a); /* which asks for TOP answers of each query */
    assert_true(recall(c, index, EVERYTHING, blocked, &a) == 1);
    rk_lsh_free(index);
    /* The same items left out for good; of fewer than TOP all are found. */
    const rk_lsh_options how = {.left_out = blocked};
    answers b;
    assert_ok(rk_lsh_create(c->items, ITEMS, WIDTH, &how, &index));
    assert_int_equal(rk_lsh_get_facts(index).items, ITEMS / 50);
    assert_true(recall(c, index, EVERYTHING, NULL, &b) <= 1);
    assert_memory_equal(a.items, b.items, sizeof a.items);
    rk_lsh_free(index);
    memset(blocked, 1, sizeof blocked);
    blocked[43] = blocked[1000] = 0;
    assert_ok(rk_lsh_create(c->items, ITEMS, WIDTH, &how, &index));
    assert_ok(rk_lsh_top_k(index, c->asked, 1, 1, NULL, TOP, a.items, a.scores, NULL));
    assert_true(a.items[0] == 43 || a.items[0] == 1000);
    assert_true(a.items[1] == 1043 - a.items[0] && a.items[2] == -1 && a.scores[2] == 0);
    rk_lsh_free(index);
    free(c);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    catalogue *c = make_catalogue();
    static answers a[2];
    const int threads = omp_get_max_threads();
    for (int t = 0; t < 2; t++) {
        rk_lsh *index = NULL;
        omp_set_num_threads(1 + 2 * t);
        assert_ok(rk_lsh_create(c->items, ITEMS, WIDTH, NULL, &index));
        assert_ok(rk_lsh_top_k(index, c->asked, QUERIES, 20, NULL, TOP, a[t].items, a[t].scores,
                               &a[t].scored));
        rk_lsh_free(index);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(&a[0], &a[1], sizeof a[0]);
    free(c);
}

static void what_makes_no_sense(void **state)
{
    (void)state;
    catalogue *c = make_catalogue();
    rk_lsh *index = NULL;
    int32_t items[TOP];
    float scores[TOP];
    const rk_lsh_options many = {.planes = RK_MOST_PLANES + 1};
    assert_fails(RK_ERR_CONFIG, "make no index",
                 rk_lsh_create(c->items, ITEMS, WIDTH, &many, &index));
    assert_fails(RK_ERR_CONFIG, "make no index", rk_lsh_create(c->items, ITEMS, 0, NULL, &index));
    c->items[5 * WIDTH + 2] = NAN;
    assert_fails(RK_ERR_DATA, "the vector of item 5",
                 rk_lsh_create(c->items, ITEMS, WIDTH, NULL, &index));
    assert_null(index);
    assert_ok(rk_lsh_create(c->items, 0, WIDTH, NULL, &index));
    assert_ok(rk_lsh_top_k(index, c->asked, 1, 0, NULL, 2, items, scores, NULL));
    assert_true(items[0] == -1 && items[1] == -1);
    assert_fails(RK_ERR_CONFIG, "are wanted",
                 rk_lsh_top_k(index, c->asked, 1, 0, NULL, 0, items, scores, NULL));
    assert_fails(RK_ERR_CONFIG, "are wanted",
                 rk_lsh_top_k(index, c->asked, 1, -1, NULL, 1, items, scores, NULL));
    c->queries[0] = INFINITY;
    assert_fails(RK_ERR_DATA, "the vector of query 0",
                 rk_lsh_top_k(index, c->asked, 1, 0, NULL, 2, items, scores, NULL));
    rk_lsh_free(index);
    free(c);
}

static void no_memory(void **state)
{
    (void)state;
    catalogue *c = make_catalogue();
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status != RK_OK; n++) {
        rk_lsh *index = NULL;
        static answers a;
        rk__alloc_fail_after(n);
        status = rk_lsh_create(c->items, 100, WIDTH, NULL, &index);
        if (status == RK_OK) {
            status = rk_lsh_top_k(index, c->asked, 2, 3, NULL, TOP, a.items, a.scores, NULL);
        }
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        rk_lsh_free(index);
    }
    assert_true(n > 10);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_buckets_find_more), cmocka_unit_test(a_few_buckets_find_most),
        cmocka_unit_test(masks_are_honoured),     cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(what_makes_no_sense),    cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("lsh", tests, NULL, NULL);
}
