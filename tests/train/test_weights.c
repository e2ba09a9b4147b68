/* Values as weights of losses and of draws, in whole runs: equal values are no weights, other
 * values are, held-out users are folded in by theirs, and what cannot be a weight is refused. */
#include "data/dataset.h"
#include "train/fitted.h"

enum { USERS = 40, ITEMS = 24 };

static rk_status try_fit(const fitted_data *d, double step, const char *const *settings, fitted *f)
{
    rk_train_options how = rk_train_defaults();
    rk_columns columns = d->columns;
    double *values = calloc((size_t)columns.n, sizeof *values);
    for (int64_t k = 0; k < columns.n; k++) {
        values[k] = 2 + (double)((d->users[k] * 5 + d->items[k] * 3) % 7) * step;
    }
    columns.values = values;
    *f = (fitted){.config = fitted_config(settings)};
    if (rk__config_options(f->config)->split.kind != RK_SPLIT_GIVEN) {
        columns.parts = NULL;
    }
    assert_ok(rk_dataset_from_columns(f->config, &columns, NULL, &f->dataset));
    free(values);
    how.dataset = f->dataset;
    return rk_model_fit(f->config, &how, NULL, &f->model);
}

static float *embeddings(const fitted_data *d, double step, const char *const *settings,
                         int64_t *out_n)
{
    fitted f;
    int64_t rows = 0, cols = 0;
    assert_ok(try_fit(d, step, settings, &f));
    float *table = fitted_tensor(f.model, "embedding", &rows, &cols);
    *out_n = rows * cols;
    fitted_free(&f);
    return table;
}

static bool same(const fitted_data *d, double step, const char *const *a, const char *const *b)
{
    int64_t n = 0, m = 0;
    float *x = embeddings(d, step, a, &n), *y = embeddings(d, step, b, &m);
    assert_int_equal(n, m);
    bool equal = memcmp(x, y, (size_t)n * sizeof *x) == 0;
    free(x);
    free(y);
    return equal;
}

static void equal_values_are_no_weights(void **state)
{
    (void)state;
    static const char *const losses[] = {"loss.kind=bpr", "loss.kind=bce", "loss.kind=hinge",
                                         "loss.kind=ccl", "loss.kind=softmax"};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (size_t l = 0; l < sizeof losses / sizeof losses[0]; l++) {
        const char *plain[] = {"model.kind=mf",  "model.dim=8", "train.epochs=3",
                               "train.batch=64", losses[l],     NULL};
        const char *weighed[] = {
            "model.kind=mf",       "model.dim=8", "train.epochs=3", "train.batch=64", losses[l],
            "loss.weigh_by=value", NULL};
        assert_true(same(&d, 0, plain, weighed));
        assert_false(same(&d, 1, plain, weighed));
        assert_true(same(&d, 1, weighed, weighed));
    }
    fitted_data_free(&d);
}

static void draws_go_by_values(void **state)
{
    (void)state;
    const char *plain[] = {"model.kind=mf", "model.dim=8", "train.epochs=3", "train.batch=64",
                           NULL};
    const char *weighed[] = {"model.kind=mf",           "model.dim=8",
                             "train.epochs=3",          "train.batch=64",
                             "sampling.weigh_by=value", NULL};
    const char *threads[] = {"model.kind=mf",
                             "model.dim=8",
                             "train.epochs=3",
                             "train.batch=64",
                             "sampling.weigh_by=value",
                             "run.threads=2",
                             NULL};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    assert_false(same(&d, 1, plain, weighed));
    assert_true(same(&d, 1, weighed, threads));
    fitted_data_free(&d);
}

/* Of a held-out user the given items count by their values, as those of a query do by weights. */
static void given_items_weigh(void **state)
{
    (void)state;
    const char *settings[] = {"model.kind=ials",  "model.dim=6",    "model.weigh_by=value",
                              "split.kind=users", "split.test=0.3", NULL};
    fitted_data d;
    fitted f;
    int64_t tested = 0;
    fitted_data_init(&d, USERS, ITEMS, false);
    assert_ok(try_fit(&d, 1, settings, &f));
    for (int64_t user = 0; user < USERS; user++) {
        rk_rows given = rk_rows_defaults();
        assert_ok(rk_dataset_rows(f.dataset, RK_GIVEN, user, &given));
        if (given.n > 1) {
            const rk_query list = {
                .user = -1, .items = given.items, .weights = given.values, .n_items = given.n};
            float *by_user = fitted_user_scores(f.model, user);
            float *by_list = fitted_scores(f.model, list);
            float *plain = fitted_list_scores(f.model, given.items, NULL, given.n);
            assert_memory_equal(by_user, by_list, ITEMS * sizeof *by_user);
            assert_memory_not_equal(by_user, plain, ITEMS * sizeof *by_user);
            free(by_user);
            free(by_list);
            free(plain);
            tested++;
        }
    }
    assert_true(tested > 10);
    fitted_free(&f);
    fitted_data_free(&d);
}

static void what_is_no_weight_is_refused(void **state)
{
    (void)state;
    static const char *const settings[][5] = {
        {"model.kind=ials", "model.dim=6", "model.weigh_by=value", NULL},
        {"model.kind=pure_svd", "model.dim=6", "model.weigh_by=value", NULL},
        {"model.kind=mf", "train.epochs=1", "loss.weigh_by=value", NULL},
        {"model.kind=mf", "train.epochs=1", "sampling.weigh_by=value", NULL},
    };
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        fitted f;
        assert_fails(RK_ERR_DATA, "weigh_by is value, but user ", try_fit(&d, -1, settings[i], &f));
        fitted_free(&f);
        assert_int_equal(fitted_refuses(&d, settings[i]), RK_ERR_DATA);
        assert_non_null(strstr(rk_last_error(), "has no values: name their column"));
    }
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_are_no_weights),
        cmocka_unit_test(draws_go_by_values),
        cmocka_unit_test(given_items_weigh),
        cmocka_unit_test(what_is_no_weight_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
