/*
 * What models that are solved for refuse: options that nobody reads, data that lacks what they
 * need, sizes that make no sense, matrices that do not fit or have no inverse, questions that make
 * no sense. Each is an error that says so, before any work where that can be, and leaves nothing
 * behind.
 */
#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

#include "train/fitted.h"
#include "train/runs.h"

enum { MANY = 1000000 };

/* Neutral settings beside the planted config, which has options of gradients. */
#define PLAIN "model.layers=3", "train.batch=2048", "train.learning_rate=0.001"

static void options_of_gradients_are_refused(void **unused)
{
    (void)unused;
    static const char *const refused[] = {
        "loss.kind=ccl",           "loss.l2=0.5",           "sampling.negatives=popularity",
        "train.learning_rate=0.5", "train.batch=100",       "train.optimizer=sgd",
        "model.layers=1",          "train.schedule=cosine", "loss.contrast=simgcl",
        "train.propagation=fp16",  "loss.neighbours=3"};
    static const char *const kinds[] = {"model.kind=popularity", "model.kind=item_knn",
                                        "model.kind=ease",       "model.kind=gf_cf",
                                        "model.kind=pure_svd",   "model.kind=ials"};
    runs r;
    runs_begin(&r);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)strcspn(refused[i], "="), refused[i]);
            const bool is_ials = strcmp(kinds[k], "model.kind=ials") == 0;
            run_how how = {.settings = {kinds[k], PLAIN, is_ials ? "model.dim=8" : "model.dim=64",
                                        is_ials ? "train.epochs=2" : "train.epochs=100",
                                        refused[i]}};
            assert_fails(RK_ERR_CONFIG, key, runs_train(&r, "out", how));
            assert_false(runs_has(&r, "out", "config.yaml"));
        }
    }
    /* and theirs by those that are trained by gradients, and by each other */
    static const char *const foreign[][2] = {{"model.kind=lightgcn", "model.neighbours=5"},
                                             {"model.kind=mf", "model.l2=3"},
                                             {"model.kind=pure_svd", "model.low_pass=1"},
                                             {"model.kind=gf_cf", "model.weigh_by=value"},
                                             {"model.kind=lightgcn", "model.half_life=3"},
                                             {"model.kind=ials", "model.neighbours=5"},
                                             {"model.kind=ials", "model.half_life=3"},
                                             {"model.kind=lightgcn", "model.solver=cg"},
                                             {"model.kind=lightgcn", "model.aggregate=bars"}};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        run_how how = {.settings = {foreign[i][0], foreign[i][1], "model.layers=3",
                                    "train.batch=2048", "train.learning_rate=0.001"}};
        assert_fails(RK_ERR_CONFIG, "model.", runs_train(&r, "out", how));
        assert_false(runs_has(&r, "out", "config.yaml"));
    }
    assert_fails(RK_ERR_CONFIG, "train.epochs",
                 runs_train(&r, "out",
                            (run_how){.settings = {"model.kind=ease", PLAIN, "model.dim=64",
                                                   "train.epochs=3"}}));
    runs_end(&r);
}

/* Options against the data: before the run folder is there, and no other model of it is touched. */
static void what_the_data_cannot_give_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *settings[4];
        rk_status status;
        const char *says;
    } cases[] = {
        {{"model.kind=popularity", "model.half_life=30"}, RK_ERR_DATA, "needs the times"},
        {{"model.kind=item_knn", "model.neighbours=150"},
         RK_ERR_CONFIG,
         "model.neighbours is 150, but the data set has 150 items"},
        {{"model.kind=item_knn", "model.neighbours=100000"}, RK_ERR_CONFIG, "at most 149"},
        {{"model.kind=user_knn", "model.neighbours=0"},
         RK_ERR_CONFIG,
         "only model.kind slim takes"},
        {{"model.kind=slim", "model.penalty_per_user=true"}, RK_ERR_CONFIG, "set model.l2"},
        {{"model.kind=gf_cf", "model.dim=151"}, RK_ERR_CONFIG, "so there are at most"},
        {{"model.kind=pure_svd", "model.dim=151"}, RK_ERR_CONFIG, "so there are at most"},
        {{"model.kind=ials", "model.dim=151", "train.epochs=2"},
         RK_ERR_CONFIG,
         "model.dim is 151, but the data set has 150 items"},
        {{"model.kind=ials", "model.l2=0", "model.unobserved_weight=0", "train.epochs=2"},
         RK_ERR_CONFIG,
         "both 0"},
    };
    runs r;
    runs_begin(&r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool is_ials = strcmp(cases[i].settings[0], "model.kind=ials") == 0;
        run_how how = {.settings = {PLAIN, is_ials ? "run.seed=2020" : "train.epochs=100",
                                    is_ials ? "run.seed=2020" : "model.dim=64"}};
        memcpy(how.settings + 5, cases[i].settings, sizeof cases[i].settings);
        assert_fails(cases[i].status, cases[i].says, runs_train(&r, "out", how));
        assert_false(runs_has(&r, "out", "config.yaml"));
        assert_false(runs_has(&r, "out", "last.h5"));
    }
    runs_end(&r);
}

static void ease_needs_a_regular_matrix(void **unused)
{
    (void)unused;
    static const char *const zero[] = {"model.kind=ease", "model.l2=0", NULL};
    fitted_data d;
    fitted_data_init(&d, 20, 40, false);
    assert_int_equal(fitted_refuses(&d, zero), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "fewer users (20) than items (40)"));
    fitted_data_free(&d);

    fitted_data_init(&d, 60, 20, true); /* the last item is in test only */
    assert_int_equal(fitted_refuses(&d, zero), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "no train interaction"));
    fitted_data_free(&d);

    fitted_data_init(&d, 60, 20, false); /* regular as it is */
    fitted f = fitted_fit(&d, zero);
    fitted_free(&f);
    fitted_data_free(&d);
}

/* Two items that the same users have: only the inverse shows it, in floats not always by a pivot
 * that is not above 0. */
static rk_dataset *with_twins(int64_t n_users)
{
    enum { MOST_USERS = 90, ITEMS = 8 };
    int64_t users[MOST_USERS * ITEMS], items[MOST_USERS * ITEMS];
    uint8_t parts[MOST_USERS * ITEMS];
    static const char *const none[] = {NULL};
    rk_config *config = fitted_config(none);
    rk_columns columns = rk_columns_defaults();
    rk_dataset *dataset = NULL;
    for (int64_t u = 0; u < n_users; u++) {
        for (int64_t i = 0; i < ITEMS; i++) {
            int64_t drawn = i == 7 ? 3 : i; /* 7 is 3 again */
            if ((u * 7 + drawn * drawn * 5 + u * drawn) % 4 < 2 || u % ITEMS == drawn) {
                users[columns.n] = u;
                items[columns.n] = i;
                parts[columns.n++] = RK_TRAIN;
            }
        }
    }
    columns.users = users;
    columns.items = items;
    columns.parts = parts;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &dataset));
    rk_config_free(config);
    return dataset;
}

static void a_singular_matrix_fails_and_leaves_no_model(void **unused)
{
    (void)unused;
    static const char *const settings[] = {"model.kind=ease", "model.l2=0", NULL};
    char *folder = test_scratch();
    rk_config *config = fitted_config(settings);
    assert_int_equal(rk_status_exit_code(RK_ERR_DIVERGED), 5);
    for (int64_t n_users = 20; n_users <= 90; n_users++) {
        rk_dataset *dataset = with_twins(n_users);
        rk_train_options how = rk_train_defaults();
        rk_model *model = NULL;
        how.dataset = dataset;
        assert_fails(RK_ERR_DIVERGED, "inverse failed", rk_model_fit(config, &how, NULL, &model));
        assert_non_null(strstr(rk_last_error(), "not positive definite; set a larger model.l2"));
        assert_null(model);
        if (n_users == 60) {
            how.run_dir = test_path(folder, "run");
            assert_fails(RK_ERR_DIVERGED, "inverse failed", rk_train(config, &how, NULL));
            assert_int_not_equal(access(test_path(folder, "run/report.json"), F_OK), 0);
            assert_int_not_equal(access(test_path(folder, "run/best.h5"), F_OK), 0);
            assert_int_not_equal(access(test_path(folder, "run/last.h5"), F_OK), 0);
        }
        rk_dataset_free(dataset);
    }
    rk_config_free(config);
    test_scratch_remove(folder);
}

/* A million users and items, 4 TB, are refused by the table of memory, before any allocation. */
static void ease_of_a_large_catalogue_is_refused(void **unused)
{
    (void)unused;
    static const char *const ease[] = {"model.kind=ease", NULL};
    rk_config *config = fitted_config(ease);
    rk_columns columns = rk_columns_defaults();
    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    int64_t *users = malloc(MANY * sizeof *users), *items = malloc(MANY * sizeof *items);
    uint8_t *parts = malloc(MANY);
    assert_true(users && items && parts);
    for (int64_t n = 0; n < MANY; n++) {
        users[n] = n;
        items[n] = (n * 7919) % MANY;
        parts[n] = RK_TRAIN;
    }
    columns.n = MANY;
    columns.users = users;
    columns.items = items;
    columns.parts = parts;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &dataset));
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    rk_train_options how = rk_train_defaults();
    how.dataset = dataset;
    assert_fails(RK_ERR_MEMORY, "ease keeps the square of the smaller one",
                 rk_model_fit(config, &how, NULL, &model));
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 1500 * 1024L); /* in KiB */
    double seconds = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec);
    assert_true(seconds < 20);
    rk_dataset_free(dataset);
    rk_config_free(config);
    free(users);
    free(items);
    free(parts);
}

static void questions_without_sense_are_refused(void **unused)
{
    (void)unused;
    static const char *const models[][4] = {
        {"model.kind=item_knn", "model.neighbours=5", NULL},
        {"model.kind=ease", NULL},
        {"model.kind=ials", "model.dim=4", "train.epochs=1", NULL},
        {"model.kind=popularity", NULL},
        {"model.kind=lightgcn", "model.dim=4", "train.epochs=1", NULL}};
    static const float wrong[] = {-1, -1e-30F, INFINITY, -INFINITY, NAN};
    fitted_data d;
    fitted_data_init(&d, 30, 20, true);
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        fitted f = fitted_fit(&d, models[m]);
        const int32_t items[] = {2, 5}, outside[] = {2, 20}, below[] = {-1};
        float weights[] = {1, 1}, scores[2];
        rk_recommendation best[5];
        rk_query query = {.user = -1, .items = items, .weights = weights, .n_items = 2};
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            weights[1] = wrong[i];
            assert_fails(RK_ERR_CONFIG, "the weight of item 5 is",
                         rk_model_top_k(f.model, &query, 1, NULL, 5, best));
            assert_fails(RK_ERR_CONFIG, "the weight of item 5 is",
                         rk_model_score(f.model, &query, 1, items, 2, scores));
        }
        weights[1] = 1;
        query.items = outside;
        assert_fails(RK_ERR_CONFIG, "there is no item 20",
                     rk_model_top_k(f.model, &query, 1, NULL, 5, best));
        query.items = items;
        assert_fails(RK_ERR_CONFIG, "there is no item -1",
                     rk_model_score(f.model, &query, 1, below, 1, scores));
        query.user = 3;
        assert_fails(RK_ERR_CONFIG, "names user 3 and 2 items",
                     rk_model_top_k(f.model, &query, 1, NULL, 5, best));
        query = (rk_query){.user = 30};
        assert_fails(RK_ERR_CONFIG, "there is no user 30",
                     rk_model_top_k(f.model, &query, 1, NULL, 5, best));
        query = (rk_query){.user = 3};
        assert_fails(RK_ERR_CONFIG, "take 1 or more",
                     rk_model_top_k(f.model, &query, 1, NULL, 0, best));
        assert_ok(rk_model_top_k(f.model, &query, 1, NULL, 5, best)); /* none of it stays */

        rk_tensor_info info;
        assert_fails(RK_ERR_CONFIG, "no tensor 'nobody'; it has ",
                     rk_model_find_tensor(f.model, "nobody", &info));
        assert_fails(RK_ERR_CONFIG, "no tensor 'graph.offsets'",
                     rk_model_read_tensor(f.model, "graph.offsets", 0, 1, scores, 8));
        assert_fails(RK_ERR_CONFIG, "there is no tensor 99",
                     rk_model_tensor_info(f.model, 99, &info));
        assert_fails(RK_ERR_CONFIG, "there is no tensor -1",
                     rk_model_tensor_info(f.model, -1, &info));
        assert_ok(rk_model_tensor_info(f.model, 0, &info));
        assert_fails(RK_ERR_CONFIG, "there is room for 1",
                     rk_model_read_tensor(f.model, info.name, 0, 1, scores, 1));
        assert_fails(RK_ERR_CONFIG, "are not all there",
                     rk_model_read_tensor(f.model, info.name, info.rows, 1, scores, 8));
        fitted_free(&f);
    }
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_gradients_are_refused),
        cmocka_unit_test(what_the_data_cannot_give_is_refused),
        cmocka_unit_test(ease_needs_a_regular_matrix),
        cmocka_unit_test(a_singular_matrix_fails_and_leaves_no_model),
        cmocka_unit_test(ease_of_a_large_catalogue_is_refused),
        cmocka_unit_test(questions_without_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
