/*
 * Fitting a model to arrays in memory: without a run folder no file is read, written or even
 * opened, which a process that may not open any more files shows, in an empty folder that stays
 * empty. Its numbers come by hooks.scalar.
 */
#include <fcntl.h>
#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

#include "train/fitted.h"

enum { EPOCHS = 4 };

typedef struct told {
    int losses, finite, checks, rates;
    double first_loss, last_loss, last_check;
    int64_t last_step;
    bool is_orderly;
} told;

static void tell(void *user, const char *name, int64_t step, double value)
{
    told *t = user;
    if (strcmp(name, "train/loss") == 0) {
        t->is_orderly = (t->losses == 0 || t->is_orderly) && step == t->last_step + 1;
        t->last_step = step;
        t->first_loss = t->losses++ == 0 ? value : t->first_loss;
        t->last_loss = value;
        t->finite += isfinite(value) != 0;
    }
    t->rates += strcmp(name, "train/learning_rate") == 0;
    if (strcmp(name, "valid/ndcg@5") == 0) {
        t->checks++;
        t->last_check = value;
    }
}

/* From here on this process opens nothing: the next descriptor would be above the limit. */
static struct rlimit forbid_files(void)
{
    struct rlimit before, none;
    int next = open("/dev/null", O_RDONLY);
    assert_true(next >= 0 && close(next) == 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(open("/dev/null", O_RDONLY), -1);
    return before;
}

static void fit_from_arrays(const char *const *settings, told *t)
{
    char *folder = test_scratch(), *here = getcwd(NULL, 0);
    assert_non_null(here);
    assert_int_equal(chdir(folder), 0);
    fitted_data d;
    fitted_data_init(&d, 40, 30, true);
    rk_config *config = fitted_config(settings);
    struct rlimit before = forbid_files();

    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    rk_metrics metrics = {0};
    rk_recommendation best[5];
    const rk_hooks hooks = {.scalar = tell, .user = t};
    const rk_query query = {.user = 3};
    rk_train_options how = rk_train_defaults();
    rk_status status = rk_dataset_from_columns(config, &d.columns, NULL, &dataset);
    how.dataset = dataset;
    status = status == RK_OK ? rk_model_fit(config, &how, &hooks, &model) : status;
    status = status == RK_OK ? rk_model_top_k(model, &query, 1, NULL, 5, best) : status;
    status = status == RK_OK ? rk_model_evaluate(model, RK_VALID, false, NULL, &metrics) : status;
    setrlimit(RLIMIT_NOFILE, &before);
    assert_ok(status);

    assert_int_equal(test_count_files("."), 0);
    assert_string_equal(rk_dataset_path(dataset), "");
    assert_int_equal(rk_model_get_facts(model).epoch, EPOCHS);
    if (t->checks > 0) { /* the model is that of the last check */
        assert_true(metrics.count > 0);
        for (int64_t i = 0; i < metrics.count; i++) {
            bool other = strcmp(metrics.values[i].name, "ndcg@5") == 0 &&
                         fabs(metrics.values[i].value - t->last_check) > 1e-12;
            assert_false(other);
        }
    }
    rk_metrics_free(&metrics);
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
    fitted_data_free(&d);
    assert_int_equal(chdir(here), 0);
    free(here);
    test_scratch_remove(folder);
}

static void lightgcn_touches_no_file(void **unused)
{
    (void)unused;
    static const char *const settings[] = {
        "model.dim=8",  "train.epochs=4",           "train.batch=64",
        "eval.every=1", "train.learning_rate=0.02", NULL};
    told t = {0};
    fit_from_arrays(settings, &t);
    assert_true(t.is_orderly);
    assert_int_equal(t.losses, EPOCHS);
    assert_int_equal(t.finite, EPOCHS);
    assert_int_equal(t.rates, EPOCHS);
    assert_int_equal(t.checks, EPOCHS);
    assert_true(t.last_loss < t.first_loss);
}

static void ials_touches_no_file(void **unused)
{
    (void)unused;
    static const char *const settings[] = {"model.kind=ials", "model.dim=8", "train.epochs=4",
                                           "eval.every=2", NULL};
    told t = {0};
    fit_from_arrays(settings, &t);
    assert_int_equal(t.checks, EPOCHS / 2);
    assert_true(t.last_check > 0);
}

/* Trained into a folder, a model of arrays opens again, elsewhere and without them; without a data
 * set of its own it cannot, and says so. */
static void a_run_on_arrays_stands_on_its_own(void **unused)
{
    (void)unused;
    static const char *const settings[] = {"model.dim=8", "train.epochs=2", NULL};
    char *folder = test_scratch(), moved[600];
    fitted_data d;
    fitted_data_init(&d, 40, 30, true);
    rk_config *config = fitted_config(settings);
    rk_dataset *dataset = NULL;
    rk_model *model = NULL, *opened = NULL;
    const rk_query query = {.user = 3};
    rk_recommendation before[5], after[5];
    rk_train_options how = rk_train_defaults();
    assert_ok(rk_dataset_from_columns(config, &d.columns, NULL, &dataset));
    how.dataset = dataset;
    how.run_dir = test_path(folder, "run");
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    assert_ok(rk_model_top_k(model, &query, 1, NULL, 5, before));
    snprintf(moved, sizeof moved, "%s", test_path(folder, "moved"));
    assert_int_equal(rename(test_path(folder, "run"), moved), 0);
    assert_ok(rk_model_open(moved, "cpu", NULL, NULL, &opened));
    assert_ok(rk_model_top_k(opened, &query, 1, NULL, 5, after));
    assert_memory_equal(before, after, sizeof before);
    assert_string_equal(rk_dataset_fingerprint(rk_model_dataset(opened)),
                        rk_dataset_fingerprint(dataset));
    rk_model_free(opened);
    rk_model_free(model);
    assert_int_equal(unlink(test_path(moved, "data.h5")), 0);
    assert_fails(RK_ERR_CONFIG, "which its run folder does not hold",
                 rk_model_open(moved, "cpu", NULL, NULL, &opened));
    rk_dataset_free(dataset);
    rk_config_free(config);
    fitted_data_free(&d);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_on_arrays_stands_on_its_own),
        cmocka_unit_test(lightgcn_touches_no_file),
        cmocka_unit_test(ials_touches_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
