/* A model as one file: it gives the same answers; bad files and full disks. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "train/every_kind.h"

static void assert_same_answers(const rk_model *a, const rk_model *b)
{
    static rk_recommendation left[N_MIXED * 20], right[N_MIXED * 20];
    rk_query queries[N_MIXED];
    rk_metrics x, y;
    mixed_queries(queries);
    assert_ok(rk_model_top_k(a, queries, N_MIXED, NULL, 20, left));
    assert_ok(rk_model_top_k(b, queries, N_MIXED, NULL, 20, right));
    assert_memory_equal(left, right, sizeof left);
    const rk_model_facts f = rk_model_get_facts(a), g = rk_model_get_facts(b);
    assert_string_equal(f.kind, g.kind);
    assert_true(f.epoch == g.epoch && f.users == g.users && f.items == g.items &&
                f.tensors == g.tensors && f.cold_users == g.cold_users &&
                f.cold_items == g.cold_items);
    assert_ok(rk_model_evaluate(a, RK_TEST, false, NULL, &x));
    assert_ok(rk_model_evaluate(b, RK_TEST, false, NULL, &y));
    assert_int_equal(x.count, y.count);
    for (int64_t i = 0; i < x.count; i++) {
        assert_string_equal(x.values[i].name, y.values[i].name);
        assert_true(x.values[i].value == y.values[i].value);
    }
    rk_metrics_free(&x);
    rk_metrics_free(&y);
}

/* A file needs nothing else: its sources are gone. */
static void a_saved_model_answers_the_same(void **state)
{
    world *w = *state;
    char path[512], moved[512];
    snprintf(path, sizeof path, "%s", test_path(w->r.data, "model.h5"));
    snprintf(moved, sizeof moved, "%s", test_path(w->r.data, "moved.txt"));
    for (int m = 0; m < N_KINDS; m++) {
        rk_model *model = NULL, *again = NULL;
        assert_ok(rk_model_save(w->models[m], path, m > 0));
        assert_int_equal(rename(test_path(w->r.data, "train.txt"), moved), 0);
        assert_ok(rk_model_open(path, NULL, NULL, NULL, &model));
        assert_int_equal(rename(moved, test_path(w->r.data, "train.txt")), 0);
        assert_same_answers(w->models[m], model);
        assert_string_equal(rk_dataset_fingerprint(rk_model_dataset(model)),
                            rk_dataset_fingerprint(rk_model_dataset(w->models[m])));
        /* A model that was opened can be saved, too. */
        assert_ok(rk_model_save(model, test_path(w->r.data, "again.h5"), true));
        assert_ok(rk_model_open(test_path(w->r.data, "again.h5"), "cpu", NULL, NULL, &again));
        assert_same_answers(again, model);
        rk_model_free(again);
        rk_model_free(model);
    }
    assert_fails(RK_ERR_CONFIG, "is there already; force overwrites it",
                 rk_model_save(w->models[0], path, false));
    rk_model *model = NULL;
    assert_fails(RK_ERR_CONFIG, "run.device", rk_model_open(path, "tpu", NULL, NULL, &model));
    assert_fails(RK_ERR_DEVICE, "cuda", rk_model_open(path, "cuda", NULL, NULL, &model));
    assert_null(model);
}

static void only_whole_files_of_models_open(void **state)
{
    world *w = *state;
    rk_model *model = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s", test_path(w->r.data, "bad.h5"));
    assert_fails(RK_ERR_IO, "no run folder",
                 rk_model_open(test_path(w->r.data, "absent.h5"), NULL, NULL, NULL, &model));
    test_write(path, "no model", -1);
    assert_fails(RK_ERR_DATA, "bad.h5", rk_model_open(path, NULL, NULL, NULL, &model));
    test_write(path, "", -1);
    assert_fails(RK_ERR_DATA, "bad.h5", rk_model_open(path, NULL, NULL, NULL, &model));
    /* A checkpoint, a data set. */
    assert_ok(runs_train(&w->r, "out", (run_how){.settings = {"train.epochs=1"}}));
    assert_fails(RK_ERR_DATA, "last.h5",
                 rk_model_open(runs_file(&w->r, "out", "last.h5"), NULL, NULL, NULL, &model));
    const char *prepared = rk_dataset_path(rk_model_dataset(w->models[0]));
    assert_fails(RK_ERR_DATA, prepared, rk_model_open(prepared, NULL, NULL, NULL, &model));

    for (int m = 0; m < N_KINDS; m++) {
        struct stat info;
        assert_ok(rk_model_save(w->models[m], path, true));
        assert_int_equal(stat(path, &info), 0);
        for (int i = 9; i >= 1; i--) {
            assert_int_equal(truncate(path, info.st_size * i / 10), 0);
            assert_fails(RK_ERR_DATA, "bad.h5", rk_model_open(path, NULL, NULL, NULL, &model));
        }
    }
    assert_null(model);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    world *w = *state;
    char path[512];
    struct rlimit limit, small;
    assert_int_equal(mkdir(test_path(w->r.data, "full"), 0777), 0);
    snprintf(path, sizeof path, "%s", test_path(w->r.data, "full/model.h5"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN); /* so that a write fails instead of killing the test */
    for (int with_old = 0; with_old < 2; with_old++) {
        for (int m = 0; m < N_KINDS; m++) {
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
            rk_status status = rk_model_save(w->models[m], path, true);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
            assert_int_equal(status, RK_ERR_IO);
            assert_int_equal(test_count_files(test_path(w->r.data, "full")), with_old);
        }
        if (!with_old) {
            assert_ok(rk_model_save(w->models[0], path, false));
        }
    }
    rk_model *model = NULL;
    assert_ok(rk_model_open(path, NULL, NULL, NULL, &model));
    assert_same_answers(model, w->models[0]);
    rk_model_free(model);
    assert_fails(RK_ERR_IO, "nowhere",
                 rk_model_save(w->models[0], test_path(w->r.data, "nowhere/model.h5"), false));
}

/* Whatever allocation fails: a status, and nothing leaks (the sanitizers look). */
static void lack_of_memory_is_survived(void **state)
{
    world *w = *state;
    char path[512];
    snprintf(path, sizeof path, "%s", test_path(w->r.data, "short.h5"));
    for (int m = 0; m < N_KINDS; m++) {
        rk_status status = RK_ERR_MEMORY;
        const run_how how = kind_how(m);
        for (int64_t n = 0; status != RK_OK; n += 1 + n / 2) {
            rk_config *config = NULL;
            rk_model *model = NULL;
            rk_recommendation best[5];
            static const int32_t items[] = {3, 4};
            const rk_query query = {.user = -1, .items = items, .n_items = 2};
            const char *yaml = how.config ? how.config : "exp.yaml";
            assert_ok(rk_config_load(&config, test_path(w->r.data, yaml)));
            for (int i = 0; how.settings[i]; i++) {
                assert_ok(rk_config_set(config, how.settings[i], "test"));
            }
            assert_ok(rk_config_set(config, "run.device=cpu", "test"));
            rk_train_options options = rk_train_defaults();
            options.dataset = rk_model_dataset(w->models[m]);
            rk__alloc_fail_after(n);
            status = rk_model_fit(config, &options, NULL, &model);
            status = status == RK_OK ? rk_model_top_k(model, &query, 1, NULL, 5, best) : status;
            status = status == RK_OK ? rk_model_save(model, path, true) : status;
            rk_model_free(model);
            model = NULL;
            status = status == RK_OK ? rk_model_open(path, NULL, NULL, NULL, &model) : status;
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK || status == RK_ERR_MEMORY);
            rk_model_free(model);
            rk_config_free(config);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_model_answers_the_same),
        cmocka_unit_test(only_whole_files_of_models_open),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(lack_of_memory_is_survived),
    };
    return cmocka_run_group_tests_name("saved", tests, open_world, close_world);
}
