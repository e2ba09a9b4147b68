/* eval.among candidates: the metrics of a plain count over the stored candidates of every held-out
 * row, by the scores that the model gives. */
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

/* Recall@5 and NDCG@5 of a user with several targets: a target's rank is how many of the user's
 * targets and candidates are better. */
static void values_of(const fitted *f, int64_t user, const float *scores, double out[2])
{
    const int32_t *targets = NULL, *candidates = NULL;
    int64_t n = 0, each = 0;
    bool is_ranked[ITEMS] = {false};
    double dcg = 0, ideal = 0;
    assert_ok(rk_dataset_items(f->dataset, RK_TEST, user, &targets, &n));
    assert_ok(rk_dataset_candidates(f->dataset, RK_TEST, user, &candidates, &each));
    for (int64_t i = 0; i < n; i++) {
        is_ranked[targets[i]] = true;
    }
    for (int64_t i = 0; i < n * each; i++) {
        if (candidates[i] >= 0) {
            is_ranked[candidates[i]] = true;
        }
    }
    out[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        int rank = 0;
        for (int32_t item = 0; item < ITEMS; item++) {
            rank += is_ranked[item] && is_better(scores, item, targets[i]);
        }
        bool is_hit = rank < K && scores[targets[i]] > -INFINITY;
        out[0] += is_hit / (double)n;
        dcg += is_hit ? 1 / log2(rank + 2) : 0;
        ideal += i < K ? 1 / log2((double)i + 2) : 0;
    }
    out[1] = dcg / ideal;
}

static void check(const fitted *f, bool by_popularity)
{
    double sums[2] = {0}, found[2] = {-1, -1};
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
            double values[2];
            values_of(f, user, by_popularity ? popularity : scores, values);
            sums[0] += values[0];
            sums[1] += values[1];
            tested++;
        }
        free(scores);
    }
    assert_ok(rk_model_evaluate(f->model, RK_TEST, by_popularity, NULL, &metrics));
    assert_int_equal(metrics.users, tested);
    for (int64_t i = 0; i < metrics.count; i++) {
        if (strcmp(metrics.values[i].name, "recall@5") == 0) {
            found[0] = metrics.values[i].value;
        } else if (strcmp(metrics.values[i].name, "ndcg@5") == 0) {
            found[1] = metrics.values[i].value;
        }
    }
    for (int v = 0; v < 2; v++) {
        assert_close(found[v], sums[v] / (double)tested, 1e-12, 1);
    }
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
