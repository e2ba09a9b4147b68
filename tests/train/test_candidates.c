/* eval.among candidates: the metrics of a plain count over the stored candidates of every held-out
 * row, by the scores that the model gives; and what they are over all draws, by binomials. */
#include <math.h>

#include "data/dataset.h"
#include "train/fitted.h"

enum { USERS = 50, ITEMS = 30, K = 5 };

static fitted fit(const fitted_data *d, const char *const *settings)
{
    fitted f = {.config = fitted_config(settings)};
    rk_train_options how = rk_train_defaults();
    rk_columns columns = d->columns;
    columns.parts = NULL;
    assert_ok(rk_dataset_from_columns(f.config, &columns, NULL, &f.dataset));
    how.dataset = f.dataset;
    assert_ok(rk_model_fit(f.config, &how, NULL, &f.model));
    return f;
}

/* Better than the target: more score, or as much and a smaller number. */
static bool is_better(const float *scores, int32_t item, int32_t target)
{
    return scores[item] > scores[target] || (scores[item] == scores[target] && item < target);
}

/* What a user is measured by: hit@5 and NDCG@5 of each test item among its own candidates, and
 * what these are to be expected over all draws. */
typedef struct measured {
    double hit, ndcg, expected_hit, expected_ndcg;
} measured;

static double choose(int n, int k)
{
    double ways = k >= 0 && k <= n;
    for (int i = 0; i < k; i++) {
        ways *= (double)(n - i) / (double)(i + 1);
    }
    return ways;
}

/* Of a pool of `pool`, `ahead` are ahead of the target, and `each` are drawn. */
static void expect(int pool, int ahead, int each, double weight, measured *m)
{
    for (int r = 0; r < K; r++) {
        double chance =
            choose(ahead, r) * choose(pool - ahead, each - r) / choose(pool, each) * weight;
        m->expected_hit += chance;
        m->expected_ndcg += chance / log2(r + 2);
    }
}

static void measure_item(const fitted *f, int64_t user, const float *scores, int32_t target,
                         const int32_t *candidates, int64_t each, double weight, measured *m)
{
    int rank = 0, above = 0, tied = 0, pool = 0;
    for (int64_t c = 0; c < each; c++) {
        rank += is_better(scores, candidates[c], target);
    }
    if (!(scores[target] > -INFINITY)) {
        return; /* never ranked, whatever is drawn */
    }
    m->hit += rank < K ? weight : 0;
    m->ndcg += rank < K ? weight / log2(rank + 2) : 0;
    for (int32_t item = 0; item < ITEMS; item++) {
        bool is_had = false;
        for (int part = 0; part < RK_PARTS; part++) {
            is_had = is_had || rk__lists_has(&f->dataset->parts[part], user, item);
        }
        pool += !is_had;
        above += !is_had && scores[item] > scores[target];
        tied += !is_had && !(scores[item] > scores[target]) && !(scores[item] < scores[target]);
    }
    for (int j = 0; j <= tied; j++) { /* every order of those that tie is alike */
        expect(pool, above + j, (int)each, weight / (tied + 1), m);
    }
}

static measured measure_user(const fitted *f, int64_t user, const float *scores)
{
    const int32_t *targets = NULL, *candidates = NULL;
    int64_t n = 0, each = 0;
    measured out = {0};
    assert_ok(rk_dataset_items(f->dataset, RK_TEST, user, &targets, &n));
    assert_ok(rk_dataset_candidates(f->dataset, RK_TEST, user, &candidates, &each));
    for (int64_t i = 0; i < n; i++) {
        measure_item(f, user, scores, targets[i], candidates + i * each, each, 1 / (double)n, &out);
    }
    return out;
}

static void check(const fitted *f, bool by_popularity)
{
    measured sum = {0};
    int64_t tested = 0;
    rk_metrics metrics = {0};
    for (int64_t user = 0; user < USERS; user++) {
        float popularity[ITEMS] = {0}, *scores = fitted_user_scores(f->model, user);
        for (int64_t e = 0; e < f->dataset->parts[RK_TRAIN].offsets[USERS]; e++) {
            popularity[f->dataset->parts[RK_TRAIN].items[e]]++;
        }
        for (int item = 0; item < ITEMS; item++) {
            popularity[item] = popularity[item] > 0 ? popularity[item] : -INFINITY;
        }
        if (rk__lists_count(&f->dataset->parts[RK_TEST], user) > 0) {
            measured m = measure_user(f, user, by_popularity ? popularity : scores);
            sum.hit += m.hit;
            sum.ndcg += m.ndcg;
            sum.expected_hit += m.expected_hit;
            sum.expected_ndcg += m.expected_ndcg;
            tested++;
        }
        free(scores);
    }
    assert_ok(rk_model_evaluate(f->model, RK_TEST, by_popularity, NULL, &metrics));
    assert_int_equal(metrics.users, tested);
    int found = 0;
    for (int64_t i = 0; i < metrics.count; i++) {
        const rk_metric_value *v = &metrics.values[i];
        bool is_hit = strcmp(v->name, "hit@5") == 0 || strcmp(v->name, "recall@5") == 0;
        if (is_hit || strcmp(v->name, "ndcg@5") == 0) {
            assert_close(v->value, (is_hit ? sum.hit : sum.ndcg) / (double)tested, 1e-12, 1);
            assert_close(v->expected,
                         (is_hit ? sum.expected_hit : sum.expected_ndcg) / (double)tested, 1e-9, 1);
            found++;
        }
        assert_true(isnan(v->expected) == (strncmp(v->name, "coverage", 8) == 0));
    }
    assert_int_equal(found, 3);
    rk_metrics_free(&metrics);
}

static void targets_are_ranked_among_candidates(void **state)
{
    (void)state;
    static const char *const kinds[] = {"model.kind=ease", "model.kind=ials", "model.kind=mf"};
    static const char *const sizes[] = {"model.l2=50", "model.dim=6", "model.dim=8"};
    static const char *const splits[] = {"split.kind=leave_one_out", "split.kind=ratio"};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (int m = 0; m < 3; m++) {
        for (int s = 0; s < 2; s++) {
            const char *all[] = {kinds[m],
                                 sizes[m],
                                 splits[s],
                                 "split.test=0.3",
                                 "split.valid=0",
                                 "split.candidates=7",
                                 "eval.among=candidates",
                                 NULL};
            fitted f = fit(&d, all);
            check(&f, false);
            check(&f, true);
            fitted_free(&f);
        }
    }
    fitted_data_free(&d);
}

/* Nothing is drawn, so nothing can be ranked. */
static void candidates_must_be_there(void **state)
{
    (void)state;
    const char *none[] = {"model.kind=popularity", "eval.among=candidates", NULL};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, false);
    assert_int_equal(fitted_refuses(&d, none), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "set split.candidates, e.g. to 99"));
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_ranked_among_candidates),
        cmocka_unit_test(candidates_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
