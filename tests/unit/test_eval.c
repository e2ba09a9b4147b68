/*
 * eval: an evaluator written straight from the formulas, bad options, subsets.
 */
#include <math.h>
#include <omp.h>

#include "base/alloc.h"
#include "eval/evaluate.h"
#include "eval/metrics.h"
#include "eval/popularity.h"
#include "support/eval_world.h"

/* ---- the same from the formulas: ranks by counting, no lists, no code shared ---- */

typedef struct reference {
    double recall, precision, ndcg, hit, mrr, map, coverage;
    double capped_recall, gini, novelty, avg_popularity, auc;
    int64_t users;
    double filtered_mrr, filtered_mr, filtered_hit, pairs; /* sums over held-out pairs */
} reference;

/* What all lists together are made of. */
typedef struct shown {
    double *times;       /* [n_items]: in how many top K the item is */
    double *train_users; /* [n_items] */
    double all_users;    /* who have something in train */
} shown;

static shown make_shown(const world *w)
{
    const int64_t n_items = w->dataset.n_items;
    shown out = {calloc((size_t)n_items, sizeof(double)), calloc((size_t)n_items, sizeof(double)),
                 0};
    assert_true(out.times && out.train_users);
    for (int64_t u = 0; u < w->dataset.n_users; u++) {
        bool any = false;
        for (int64_t i = 0; i < n_items; i++) {
            out.train_users[i] += in_part(w, RK_TRAIN, u, i);
            any = any || in_part(w, RK_TRAIN, u, i);
        }
        out.all_users += any;
    }
    return out;
}

/* The rank of an item among those that are not seen, by counting. */
static int64_t rank_of(const world *w, rk_part part, int64_t u, int64_t i)
{
    const float *s = w->scores + u * w->dataset.n_items;
    int64_t rank = 1;
    for (int64_t j = 0; j < w->dataset.n_items; j++) {
        rank += !is_seen(w, part, u, j) && (s[j] > s[i] || (s[j] >= s[i] && j < i));
    }
    return rank;
}

/* The share of the pairs of a held-out item and one that is neither seen nor held out that are in
 * the right order. */
static double area_of(const world *w, rk_part part, int64_t u)
{
    const float *s = w->scores + u * w->dataset.n_items;
    double ahead = 0, pairs = 0;
    for (int64_t i = 0; i < w->dataset.n_items; i++) {
        for (int64_t j = 0; j < w->dataset.n_items && in_part(w, (int)part, u, i); j++) {
            if (!is_seen(w, part, u, j) && !in_part(w, (int)part, u, j)) {
                pairs++;
                ahead += s[i] > s[j] ? 1 : s[i] < s[j] ? 0 : 0.5;
            }
        }
    }
    return pairs > 0 ? ahead / pairs : 1;
}

/* Of each held-out item the mean rank of itself among those that are neither seen nor held out. */
static void add_filtered(const world *w, rk_part part, int64_t k, int64_t u, reference *sum)
{
    const float *s = w->scores + u * w->dataset.n_items;
    for (int64_t i = 0; i < w->dataset.n_items; i++) {
        double best = 1, worst = 1;
        if (!in_part(w, (int)part, u, i)) {
            continue;
        }
        for (int64_t j = 0; j < w->dataset.n_items; j++) {
            if (!is_seen(w, part, u, j) && !in_part(w, (int)part, u, j)) {
                best += s[j] > s[i];
                worst += s[j] >= s[i];
            }
        }
        sum->pairs++;
        sum->filtered_mr += (best + worst) / 2;
        sum->filtered_mrr += 2 / (best + worst);
        sum->filtered_hit += best + worst <= 2 * (double)k;
    }
}

/* Adds one user's list. */
static void add_user(const world *w, rk_part part, int64_t k, int64_t u, double targets, shown *all,
                     reference *sum)
{
    double n_hits = 0, dcg = 0, idcg = 0, ap = 0, first = 0;
    double listed = 0, novelty = 0, popularity = 0;
    uint8_t *hit = calloc((size_t)k + 1, 1);
    assert_non_null(hit);
    for (int64_t i = 0; i < w->dataset.n_items; i++) {
        int64_t rank = is_seen(w, part, u, i) ? k + 1 : rank_of(w, part, u, i);
        if (rank <= k) {
            const double users = all->train_users[i];
            hit[rank] = in_part(w, (int)part, u, i);
            all->times[i]++;
            listed++;
            popularity += users;
            novelty += users > 0 ? log(all->all_users / users) / log(2) : 0;
        }
    }
    for (int64_t r = 1; r <= k; r++) {
        if (hit[r]) {
            n_hits++;
            dcg += log(2) / log((double)r + 1);
            ap += n_hits / (double)r;
            first = n_hits > 1 ? first : (double)r;
        }
        idcg += (double)r <= targets ? log(2) / log((double)r + 1) : 0;
    }
    free(hit);
    sum->users++;
    sum->recall += n_hits / targets;
    sum->precision += n_hits / (double)k;
    sum->ndcg += dcg / idcg;
    sum->hit += n_hits > 0;
    sum->mrr += n_hits > 0 ? 1 / first : 0;
    sum->map += ap / fmin((double)k, targets);
    sum->capped_recall += n_hits / fmin((double)k, targets);
    sum->novelty += listed > 0 ? novelty / listed : 0;
    sum->avg_popularity += listed > 0 ? popularity / listed : 0;
    sum->auc += area_of(w, part, u);
    add_filtered(w, part, k, u, sum);
}

static reference from_formulas(const world *w, rk_part part, int64_t k)
{
    reference sum = {0};
    const int64_t n_items = w->dataset.n_items;
    shown all = make_shown(w);
    double places = 0;
    for (int64_t u = 0; u < w->dataset.n_users; u++) {
        double targets = 0;
        for (int64_t i = 0; i < n_items; i++) {
            targets += in_part(w, (int)part, u, i);
        }
        if (targets > 0) {
            add_user(w, part, k, u, targets, &all, &sum);
        }
    }
    double *values = &sum.recall;
    for (size_t i = 0; i < offsetof(reference, users) / sizeof *values; i++) {
        values[i] /= (double)sum.users;
    }
    for (int64_t i = 0; i < n_items; i++) { /* Gini: half the mean difference over the mean */
        sum.coverage += (all.times[i] > 0) / (double)n_items;
        places += all.times[i];
        for (int64_t j = 0; j < n_items; j++) {
            sum.gini += fabs(all.times[i] - all.times[j]) / 2;
        }
    }
    sum.gini = places > 0 ? sum.gini / ((double)n_items * places) : 0;
    free(all.times);
    free(all.train_users);
    return sum;
}

static int64_t all_metrics[] = {RK_METRIC_recall,
                                RK_METRIC_precision,
                                RK_METRIC_ndcg,
                                RK_METRIC_hit,
                                RK_METRIC_mrr,
                                RK_METRIC_map,
                                RK_METRIC_coverage,
                                RK_METRIC_capped_recall,
                                RK_METRIC_gini,
                                RK_METRIC_novelty,
                                RK_METRIC_avg_popularity,
                                RK_METRIC_auc,
                                RK_METRIC_filtered_mrr,
                                RK_METRIC_filtered_mr,
                                RK_METRIC_filtered_hit};

static rk_options options_with(int64_t *k, int64_t n_k)
{
    rk_options o = {0};
    o.eval.metrics = (rk_ints){all_metrics, 15};
    o.eval.k = (rk_ints){k, n_k};
    return o;
}

static void compare(const rk_metrics *m, const reference *r, int64_t k)
{
    const struct {
        const char *name;
        double expected;
    } rows[] = {{"recall", r->recall},
                {"precision", r->precision},
                {"ndcg", r->ndcg},
                {"hit", r->hit},
                {"mrr", r->mrr},
                {"map", r->map},
                {"coverage", r->coverage},
                {"capped_recall", r->capped_recall},
                {"gini", r->gini},
                {"novelty", r->novelty},
                {"avg_popularity", r->avg_popularity},
                {"filtered_hit", r->filtered_hit / r->pairs}};
    assert_int_equal(m->users, r->users);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s@%d", rows[i].name, (int)k);
        assert_close(rk__metric_find(m, name), rows[i].expected,
                     strcmp(rows[i].name, "novelty") == 0 ? 1e-6 : 1e-12, 1e-3);
    }
    assert_close(rk__metric_find(m, "auc@all"), r->auc, 1e-12, 1e-3);
    assert_close(rk__metric_find(m, "filtered_mrr@all"), r->filtered_mrr / r->pairs, 1e-12, 1e-3);
    assert_close(rk__metric_find(m, "filtered_mr@all"), r->filtered_mr / r->pairs, 1e-12, 1e-3);
}

static void agrees_with_the_formulas(void **state)
{
    (void)state;
    static const struct {
        int64_t users, items;
        double density;
        bool with_valid;
    } cases[] = {{60, 40, 0.2, true}, {60, 40, 0.95, true}, {40, 25, 0.4, false}, {5, 20, 1, true}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        world w;
        make_world(&w, cases[c].users, cases[c].items, cases[c].density, cases[c].with_valid);
        int64_t k[] = {5, 1, 20, 3};
        rk_options o = options_with(k, 4);
        rk_ranker ranker = {.self = &w, .rank = rank_by_scores, .stand = stand_by_scores};
        for (int part = RK_VALID; part <= RK_TEST; part++) {
            rk_metrics m;
            if (part == RK_VALID && !cases[c].with_valid) {
                assert_fails(RK_ERR_DATA, "users has an item in valid",
                             rk__evaluate(&w.dataset, &o, RK_VALID, NULL, 0, &ranker, NULL, &m));
                continue;
            }
            assert_ok(rk__evaluate(&w.dataset, &o, (rk_part)part, NULL, 0, &ranker, NULL, &m));
            assert_int_equal(m.count, 51); /* twelve at four cut-offs, three without */
            assert_string_equal(m.values[0].name, "recall@5");
            assert_string_equal(m.values[7].name, "precision@3");
            for (int64_t j = 0; j < 4; j++) {
                reference r = from_formulas(&w, (rk_part)part, k[j]);
                assert_true(r.users > 0);
                compare(&m, &r, k[j]);
            }
            assert_true(isnan(rk__metric_find(&m, "ndcg@7")));
            rk_metrics_free(&m);
        }
        free_world(&w);
    }
}

/* More users than a tile holds; a list of users; any number of threads: the same bits. */
static void tiles_and_threads_change_nothing(void **state)
{
    (void)state;
    world w;
    make_world(&w, 2500, 12, 0.4, true);
    int64_t k[] = {3, 12};
    rk_options o = options_with(k, 2);
    rk_ranker ranker = {.self = &w, .rank = rank_by_scores, .stand = stand_by_scores};
    rk_metrics first, again;
    int32_t *all = malloc(2500 * sizeof *all);
    assert_non_null(all);
    for (int32_t u = 0; u < 2500; u++) {
        all[u] = u;
    }
    omp_set_num_threads(1);
    assert_ok(rk__evaluate(&w.dataset, &o, RK_TEST, NULL, 0, &ranker, NULL, &first));
    reference r = from_formulas(&w, RK_TEST, 3);
    compare(&first, &r, 3);
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        assert_ok(rk__evaluate(&w.dataset, &o, RK_TEST, all, 2500, &ranker, NULL, &again));
        assert_int_equal(again.users, first.users);
        for (int64_t v = 0; v < first.count; v++) {
            assert_true(first.values[v].value == again.values[v].value);
        }
        rk_metrics_free(&again);
    }
    /* one user alone: their own values, and only their list covers items */
    const rk_lists *test = &w.dataset.parts[RK_TEST];
    int32_t user = 0;
    while (test->offsets[user + 1] == test->offsets[user]) {
        user++;
    }
    assert_ok(rk__evaluate(&w.dataset, &o, RK_TEST, &user, 1, &ranker, NULL, &again));
    assert_int_equal(again.users, 1);
    assert_true(rk__metric_find(&again, "coverage@3") <= 3.0 / 12);
    rk_metrics_free(&again);
    rk_metrics_free(&first);
    free(all);
    free_world(&w);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    world w;
    make_world(&w, 10, 12, 0.5, true);
    rk_ranker ranker = {.self = &w, .rank = rank_by_scores, .stand = stand_by_scores};
    rk_metrics m;
    int64_t k[] = {10, 13};
    rk_options o = options_with(k, 2);
    assert_fails(RK_ERR_CONFIG, "eval.k holds 13, but the data set has 12 items",
                 rk__evaluate(&w.dataset, &o, RK_TEST, NULL, 0, &ranker, NULL, &m));
    o = options_with(k, 1);
    o.eval.metrics.n = 0;
    assert_fails(RK_ERR_CONFIG, "eval.metrics is empty",
                 rk__evaluate(&w.dataset, &o, RK_TEST, NULL, 0, &ranker, NULL, &m));
    o = options_with(k, 0);
    assert_fails(RK_ERR_CONFIG, "eval.k is empty",
                 rk__evaluate(&w.dataset, &o, RK_TEST, NULL, 0, &ranker, NULL, &m));
    rk_metrics_free(&m);
    rk_metrics_free(NULL);
    free_world(&w);
}

/* ---- hooks ---- */

typedef struct listener {
    int64_t calls, done, total, stop_after;
} listener;

static void on_progress(void *user, const rk_progress *p)
{
    listener *l = user;
    assert_string_equal(p->unit, "users");
    assert_true(p->done > l->done);
    l->calls++;
    l->done = p->done;
    l->total = p->total;
}

static bool on_should_stop(void *user)
{
    const listener *l = user;
    return l->calls >= l->stop_after;
}

static void tells_and_stops(void **state)
{
    (void)state;
    world w;
    make_world(&w, 2500, 6, 0.6, true);
    int64_t k[] = {3};
    rk_options o = options_with(k, 1);
    rk_ranker ranker = {.self = &w, .rank = rank_by_scores, .stand = stand_by_scores};
    rk_metrics m;
    o.eval.metrics.n = 11; /* but auc, which takes a second pass */
    listener l = {.stop_after = 99};
    const rk_hooks hooks = {.progress = on_progress, .should_stop = on_should_stop, .user = &l};
    assert_ok(rk__evaluate(&w.dataset, &o, RK_TEST, NULL, 0, &ranker, &hooks, &m));
    assert_true(l.calls >= 2 && l.done == l.total && l.total == m.users);
    rk_metrics_free(&m);
    l = (listener){.stop_after = 1};
    assert_fails(RK_ERR_INTERRUPTED, "after the evaluation of 1024 of",
                 rk__evaluate(&w.dataset, &o, RK_TEST, NULL, 0, &ranker, &hooks, &m));
    assert_int_equal(l.done, 1024);
    free_world(&w);
}

/* ---- popularity, subsets, text ---- */

static void popularity_ranks_by_degree(void **state)
{
    (void)state;
    world w;
    make_world(&w, 200, 30, 0.3, true);
    rk_popularity popularity;
    assert_ok(rk__popularity_init(&popularity, &w.dataset));
    /* As scores: the degree in train, for everybody. Degrees tie often. */
    for (int64_t u = 0; u < 200; u++) {
        for (int64_t i = 0; i < 30; i++) {
            w.scores[u * 30 + i] = 0;
        }
    }
    const rk_lists *train = &w.dataset.parts[RK_TRAIN];
    for (int64_t e = 0; e < train->offsets[200]; e++) {
        for (int64_t u = 0; u < 200; u++) {
            w.scores[u * 30 + train->items[e]]++;
        }
    }
    rk_ranker ours = rk__popularity_ranker(&popularity);
    int32_t users[200], got[200 * 30], wanted[200 * 30];
    for (int32_t u = 0; u < 200; u++) {
        users[u] = u;
    }
    for (int part = RK_VALID; part <= RK_TEST; part++) {
        const unsigned seen = 1u << RK_TRAIN | (part == RK_TEST ? 1u << RK_VALID : 0);
        assert_ok(ours.rank(ours.self, seen, users, 200, 30, got));
        assert_ok(rank_by_scores(&w, seen, users, 200, 30, wanted));
        assert_memory_equal(got, wanted, sizeof wanted);
    }
    rk__popularity_free(&popularity);
    free_world(&w);
}

static void subset_is_random_and_fixed(void **state)
{
    (void)state;
    enum { USERS = 3000, WANTED = 500 };
    world w;
    make_world(&w, USERS, 10, 0.5, true);
    int32_t *a = NULL, *b = NULL;
    int64_t n = 0, n_all = 0;
    assert_ok(rk__eval_subset(&w.dataset, RK_TEST, 0, 1, &b, &n_all));
    assert_true(n_all < USERS && n_all > 2 * WANTED); /* those with items in test */
    rk__free(b);
    assert_ok(rk__eval_subset(&w.dataset, RK_TEST, n_all, 1, &b, &n));
    assert_int_equal(n, n_all);
    rk__free(b);

    assert_ok(rk__eval_subset(&w.dataset, RK_TEST, WANTED, 1, &a, &n));
    assert_int_equal(n, WANTED);
    double mean = 0;
    for (int64_t i = 0; i < n; i++) {
        assert_true(i == 0 || a[i] > a[i - 1]);
        assert_true(rk__lists_count(&w.dataset.parts[RK_TEST], a[i]) > 0);
        mean += (double)a[i] / (double)WANTED;
    }
    assert_close(mean / (double)USERS, 0.5, 5 * sqrt(1.0 / 12 / (double)WANTED), 1);
    assert_ok(rk__eval_subset(&w.dataset, RK_TEST, WANTED, 1, &b, &n));
    assert_memory_equal(a, b, WANTED * sizeof *a);
    rk__free(b);
    assert_ok(rk__eval_subset(&w.dataset, RK_TEST, WANTED, 2, &b, &n));
    assert_memory_not_equal(a, b, WANTED * sizeof *a);
    rk__free(b);
    /* a smaller subset is part of a larger one */
    assert_ok(rk__eval_subset(&w.dataset, RK_TEST, WANTED / 2, 1, &b, &n));
    for (int64_t i = 0, j = 0; i < n; i++, j++) {
        while (j < WANTED && a[j] != b[i]) {
            j++;
        }
        assert_true(j < WANTED);
    }
    rk__free(b);
    rk__free(a);
    free_world(&w);
}

static void running_out_of_memory_is_clean(void **state)
{
    (void)state;
    world w;
    make_world(&w, 50, 12, 0.5, true);
    int64_t k[] = {3};
    rk_options o = options_with(k, 1);
    rk_status status = RK_ERR_MEMORY;
    int failures = 0;
    for (int n = 0; status != RK_OK; n++) {
        rk_popularity popularity = {0};
        rk_metrics m = {0};
        int32_t *subset = NULL;
        int64_t n_subset = 0;
        rk__alloc_fail_after(n);
        status = rk__popularity_init(&popularity, &w.dataset);
        rk_ranker ranker = rk__popularity_ranker(&popularity);
        status = status != RK_OK ? status
                                 : rk__eval_subset(&w.dataset, RK_TEST, 9, 1, &subset, &n_subset);
        status = status != RK_OK
                     ? status
                     : rk__evaluate(&w.dataset, &o, RK_TEST, subset, n_subset, &ranker, NULL, &m);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        failures += status != RK_OK;
        rk_metrics_free(&m);
        rk__free(subset);
        rk__popularity_free(&popularity);
    }
    assert_true(failures >= 10);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_formulas),
        cmocka_unit_test(tiles_and_threads_change_nothing),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(tells_and_stops),
        cmocka_unit_test(popularity_ranks_by_degree),
        cmocka_unit_test(subset_is_random_and_fixed),
        cmocka_unit_test(running_out_of_memory_is_clean),
    };
    return cmocka_run_group_tests_name("eval", tests, NULL, NULL);
}
