/* Users who are held out and known by their given items: evaluation, the scorer and a query of the
 * same items must say the same of them. */
#include "data/dataset.h"
#include "train/fitted.h"

enum { USERS = 60, ITEMS = 25, K = 5, HELD_OUT = 18 };

static rk_status try_fit(const fitted_data *d, const char *kind, const char *given, fitted *f)
{
    char model[60], share[60];
    snprintf(model, sizeof model, "model.kind=%s", kind);
    snprintf(share, sizeof share, "split.given=%s", given);
    const char *extra = strcmp(kind, "ials") == 0       ? "model.dim=6"
                        : strcmp(kind, "gf_cf") == 0    ? "model.dim=6"
                        : strcmp(kind, "pure_svd") == 0 ? "model.dim=6"
                        : strcmp(kind, "item_knn") == 0 ? "model.neighbours=10"
                                                        : NULL;
    const char *all[] = {model, share, "split.kind=users", "split.test=0.3", "split.valid=0.1",
                         extra, NULL};
    rk_train_options how = rk_train_defaults();
    rk_columns columns = d->columns;
    columns.parts = NULL;
    *f = (fitted){.config = fitted_config(all)};
    assert_ok(rk_dataset_from_columns(f->config, &columns, NULL, &f->dataset));
    how.dataset = f->dataset;
    return rk_model_fit(f->config, &how, NULL, &f->model);
}

/* The share of the user's test items that the list has. */
static double recall(const rk_dataset *dataset, int64_t user, const rk_recommendation *list)
{
    const int32_t *items = NULL;
    int64_t n = 0, hits = 0;
    assert_ok(rk_dataset_items(dataset, RK_TEST, user, &items, &n));
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < K; j++) {
            hits += list[j].item == items[i];
        }
    }
    return n > 0 ? (double)hits / (double)n : -1;
}

static void check_model(const fitted_data *d, const char *kind)
{
    fitted f;
    double sum = 0;
    int64_t tested = 0;
    rk_metrics metrics = {0};
    double found = -1;
    assert_ok(try_fit(d, kind, "0.5", &f));
    for (int64_t user = 0; user < USERS; user++) {
        const int32_t *given = NULL;
        int64_t n = 0;
        rk_recommendation as_user[K], as_list[K];
        assert_ok(rk_dataset_items(f.dataset, RK_GIVEN, user, &given, &n));
        const rk_query known = {.user = user};
        const rk_query list = {.user = -1, .items = given, .n_items = n};
        const rk_selection selection = {.seen = 1u << RK_GIVEN};
        if (n > 0) {
            assert_ok(rk_model_top_k(f.model, &known, 1, &selection, K, as_user));
            assert_ok(rk_model_top_k(f.model, &list, 1, &selection, K, as_list));
            assert_memory_equal(as_user, as_list, sizeof as_user);
            double share = recall(f.dataset, user, as_list);
            sum += share < 0 ? 0 : share;
            tested += share >= 0;
        }
    }
    assert_int_equal(tested, HELD_OUT);
    assert_ok(rk_model_evaluate(f.model, RK_TEST, false, NULL, &metrics));
    for (int64_t i = 0; i < metrics.count; i++) {
        found = strcmp(metrics.values[i].name, "recall@5") == 0 ? metrics.values[i].value : found;
    }
    assert_close(found, sum / HELD_OUT, 1e-12, 1);
    rk_metrics_free(&metrics);
    fitted_free(&f);
}

static void given_items_say_who_asks(void **state)
{
    (void)state;
    static const char *const kinds[] = {"item_knn",   "ease",     "gf_cf", "pure_svd", "ials",
                                        "popularity", "lightgcn", "gat",   "rgcn",     "compgcn"};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, false);
    for (size_t m = 0; m < sizeof kinds / sizeof kinds[0]; m++) {
        check_model(&d, kinds[m]);
    }
    fitted_data_free(&d);
}

/* Of somebody of whom nothing is known, only the ranking that is the same for all can be tested. */
static void nothing_given_is_refused(void **state)
{
    (void)state;
    fitted_data d;
    fitted f;
    fitted_data_init(&d, USERS, ITEMS, false);
    assert_fails(RK_ERR_CONFIG,
                 "model.kind is ease (test), which cannot rank for held-out users of whom nothing "
                 "is known; those that can: popularity",
                 try_fit(&d, "ease", "0", &f));
    fitted_free(&f);
    assert_ok(try_fit(&d, "popularity", "0", &f));
    assert_int_equal(rk_dataset_get_stats(f.dataset)->given, 0);
    fitted_free(&f);
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_items_say_who_asks),
        cmocka_unit_test(nothing_given_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
