/* An opened run: evaluation as reported, recommendations, fold-in, export. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "train/runs.h"

enum { DIM = 16, KNOWN = PLANTED_TRAIN + PLANTED_VALID + PLANTED_TEST };

/* A trained run over the planted files, one for the tests that only look at it. */
typedef struct opened {
    runs r;
    rk_run *run;
} opened;

static int open_trained(void **state)
{
    opened *o = calloc(1, sizeof *o);
    runs_begin(&o->r);
    /* 9999 is in test only. */
    FILE *file = fopen(test_path(o->r.data, "test.txt"), "ab");
    fputs("9999 1000\n", file);
    fclose(file);
    assert_ok(runs_train(&o->r, "out", (run_how){.settings = {"train.epochs=8"}}));
    assert_ok(rk_run_open(test_path(o->r.data, "out"), NULL, NULL, NULL, &o->run));
    *state = o;
    return 0;
}

static int close_trained(void **state)
{
    opened *o = *state;
    rk_run_free(o->run);
    runs_end(&o->r);
    free(o);
    return 0;
}

static void evaluation_is_as_reported(void **state)
{
    opened *o = *state;
    static const char *const parts[] = {[RK_VALID] = "valid", [RK_TEST] = "test"};
    assert_true((double)rk_run_epoch(o->run) == runs_reported(&o->r, "out", "chosen.epoch"));
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        for (int popularity = 0; popularity < 2; popularity++) {
            rk_metrics metrics;
            assert_ok(rk_run_evaluate(o->run, part, popularity, NULL, &metrics));
            assert_int_equal(metrics.count, 14);
            for (int64_t i = 0; i < metrics.count; i++) {
                char path[128];
                snprintf(path, sizeof path, "%s%s.%s", popularity ? "popularity." : "", parts[part],
                         metrics.values[i].name);
                assert_true(metrics.values[i].value == runs_reported(&o->r, "out", path));
            }
            rk_metrics_free(&metrics);
        }
    }
    rk_metrics none;
    assert_fails(RK_ERR_CONFIG, "only valid and test",
                 rk_run_evaluate(o->run, RK_TRAIN, false, NULL, &none));
}

static bool knows(const rk_dataset *d, int64_t user, int32_t item)
{
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        const int32_t *items = NULL;
        int64_t n = 0;
        assert_ok(rk_dataset_items(d, part, user, &items, &n));
        for (int64_t i = 0; i < n; i++) {
            if (items[i] == item) {
                return true;
            }
        }
    }
    return false;
}

static void assert_ordered(const rk_recommendation *best, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        bool tie = best[i].score == best[i - 1].score;
        assert_true(tie ? best[i].item > best[i - 1].item : best[i].score < best[i - 1].score);
    }
}

static void recommendations_are_unseen_and_ordered(void **state)
{
    opened *o = *state;
    const rk_dataset *d = rk_run_dataset(o->run);
    int64_t rows = 0, dim = 0;
    const float *users = rk_run_user_embeddings(o->run, &rows, &dim);
    const float *items = rk_run_item_embeddings(o->run, &rows, &dim);
    assert_int_equal(rows, PLANTED_ITEMS);
    assert_int_equal(dim, DIM);
    for (int64_t user = 0; user < PLANTED_USERS; user += 7) {
        rk_recommendation best[200];
        int64_t n = 0, all = 0;
        assert_ok(rk_run_recommend(o->run, user, 10, best, &n));
        assert_int_equal(n, 10);
        assert_ordered(best, n);
        for (int64_t i = 0; i < n; i++) {
            double score = 0;
            for (int64_t k = 0; k < dim; k++) {
                score += (double)users[user * dim + k] * (double)items[best[i].item * dim + k];
            }
            assert_false(knows(d, user, best[i].item));
            assert_close((double)best[i].score, score, 1e-5, 1e-3);
        }
        /* With room for everything: the same ten first, and every unknown item once. */
        rk_recommendation everything[200];
        assert_ok(rk_run_recommend(o->run, user, 200, everything, &all));
        assert_int_equal(all, PLANTED_ITEMS - KNOWN);
        assert_ordered(everything, all);
        assert_memory_equal(best, everything, 10 * sizeof *best);
    }
    rk_recommendation best[1];
    int64_t n = 0;
    assert_fails(RK_ERR_CONFIG, "no user 5000", rk_run_recommend(o->run, 5000, 1, best, &n));
    assert_fails(RK_ERR_CONFIG, "no user -1", rk_run_recommend(o->run, -1, 1, best, &n));
    assert_fails(RK_ERR_CONFIG, "take 1 or more", rk_run_recommend(o->run, 1, 0, best, &n));
}

static void a_user_without_train_items_gets_popularity(void **state)
{
    opened *o = *state;
    const rk_dataset *d = rk_run_dataset(o->run);
    int64_t user = 0, n = 0, degree[PLANTED_ITEMS] = {0};
    assert_ok(rk_dataset_find_user(d, "9999", &user));
    for (int64_t u = 0; u < PLANTED_USERS; u++) {
        const int32_t *items = NULL;
        assert_ok(rk_dataset_items(d, RK_TRAIN, u, &items, &n));
        for (int64_t i = 0; i < n; i++) {
            degree[items[i]]++;
        }
    }
    rk_recommendation best[10];
    assert_ok(rk_run_recommend(o->run, user, 10, best, &n));
    assert_int_equal(n, 10);
    assert_ordered(best, n);
    for (int i = 0; i < 10; i++) {
        assert_true(best[i].item != 0); /* item 1000 is what this user has in test */
        assert_true((int64_t)best[i].score == degree[best[i].item]);
    }
    for (int item = 1; item < PLANTED_ITEMS; item++) { /* nothing better was left out */
        assert_true(degree[item] <= (int64_t)best[0].score);
    }
    assert_ok(rk_run_recommend_items(o->run, NULL, 0, 10, best, &n)); /* a user with no items */
    assert_int_equal(n, 10);
    assert_true((int64_t)best[0].score == degree[best[0].item]);
}

static void fold_in_finds_the_cluster(void **state)
{
    opened *o = *state;
    for (int32_t cluster = 0; cluster < PLANTED_CLUSTERS; cluster++) {
        /* Of the middle of the cluster's popularity, one of them twice. */
        int32_t items[6];
        for (int32_t i = 0; i < 5; i++) {
            items[i] = (4 + 3 * i) * PLANTED_CLUSTERS + cluster;
        }
        items[5] = items[0];
        rk_recommendation best[10];
        int64_t n = 0;
        int inside = 0;
        assert_ok(rk_run_recommend_items(o->run, items, 6, 10, best, &n));
        assert_int_equal(n, 10);
        assert_ordered(best, n);
        for (int i = 0; i < 10; i++) {
            inside += best[i].item % PLANTED_CLUSTERS == cluster;
            for (int j = 0; j < 5; j++) {
                assert_true(best[i].item != items[j]);
            }
        }
        assert_true(inside >= 9);
    }
    rk_recommendation best[1];
    int64_t n = 0;
    int32_t wrong = PLANTED_ITEMS;
    assert_fails(RK_ERR_CONFIG, "no item 150",
                 rk_run_recommend_items(o->run, &wrong, 1, 1, best, &n));
}

/* Share of the test items found among ten, by the user's own vector and as a new user. */
static double hits_of(rk_run *run, bool as_new)
{
    const rk_dataset *d = rk_run_dataset(run);
    double hits = 0;
    for (int64_t user = 0; user < PLANTED_USERS; user++) {
        const int32_t *train = NULL, *test = NULL;
        int64_t n_train = 0, n_test = 0, n = 0, shown = 0;
        rk_recommendation best[PLANTED_ITEMS];
        assert_ok(rk_dataset_items(d, RK_TRAIN, user, &train, &n_train));
        assert_ok(rk_dataset_items(d, RK_TEST, user, &test, &n_test));
        if (as_new) {
            assert_ok(rk_run_recommend_items(run, train, n_train, 10, best, &n));
            shown = n;
        } else { /* recommend leaves test items out, so the ranking is made from the vectors */
            int64_t rows = 0, dim = 0;
            const float *u = rk_run_user_embeddings(run, &rows, &dim) + user * dim;
            const float *v = rk_run_item_embeddings(run, &rows, &dim);
            bool taken[PLANTED_ITEMS] = {false};
            for (int64_t i = 0; i < n_train; i++) {
                taken[train[i]] = true;
            }
            for (; shown < 10; shown++) {
                double top = -INFINITY;
                for (int32_t i = 0; i < PLANTED_ITEMS; i++) {
                    double score = 0;
                    for (int64_t k = 0; k < dim; k++) {
                        score += (double)u[k] * (double)v[i * dim + k];
                    }
                    if (!taken[i] && score > top) {
                        top = score;
                        best[shown].item = i;
                    }
                }
                taken[best[shown].item] = true;
            }
        }
        for (int64_t i = 0; i < shown; i++) {
            for (int64_t j = 0; j < n_test; j++) {
                hits += best[i].item == test[j];
            }
        }
    }
    return hits / (PLANTED_USERS * PLANTED_TEST);
}

static void fold_in_ranks_nearly_as_well_as_training(void **state)
{
    opened *o = *state;
    double known = hits_of(o->run, false), as_new = hits_of(o->run, true);
    if (!(as_new > 0.9 * known)) {
        fail_msg("recall@10 of known users %g, of the same users folded in %g", known, as_new);
    }
    rk_run *mf = NULL;
    assert_ok(runs_train(
        &o->r, "mf",
        (run_how){.settings = {"model.kind=mf", "train.learning_rate=0.05", "train.epochs=20"}}));
    assert_ok(rk_run_open(test_path(o->r.data, "mf"), NULL, NULL, NULL, &mf));
    known = hits_of(mf, false);
    as_new = hits_of(mf, true);
    rk_run_free(mf);
    if (!(as_new > 0.9 * known)) {
        fail_msg("mf: recall@10 of known users %g, of the same users folded in %g", known, as_new);
    }
}

/* ---- export ---- */

static void check_npy(const char *path, const float *values, int64_t rows, const char *shape)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char head[128];
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    assert_memory_equal(head, "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', ", 27);
    assert_int_equal(head[127], '\n');
    head[127] = '\0';
    assert_non_null(strstr(head + 10, shape));
    float *read = malloc((size_t)(rows * DIM) * sizeof *read);
    assert_int_equal(fread(read, sizeof *read, (size_t)(rows * DIM), file), rows * DIM);
    assert_memory_equal(read, values, (size_t)(rows * DIM) * sizeof *read);
    assert_int_equal(fgetc(file), EOF);
    free(read);
    fclose(file);
}

static void exports_read_back(void **state)
{
    opened *o = *state;
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(o->r.data, "exported"));
    int64_t users = 0, items = 0, dim = 0;
    const float *user_values = rk_run_user_embeddings(o->run, &users, &dim);
    const float *item_values = rk_run_item_embeddings(o->run, &items, &dim);
    assert_int_equal(users, PLANTED_USERS + 1);
    assert_ok(rk_run_export(o->run, RK_EXPORT_NPY, folder, false));
    check_npy(test_path(folder, "user_embeddings.npy"), user_values, users, "(241, 16)");
    check_npy(test_path(folder, "item_embeddings.npy"), item_values, items, "(150, 16)");
    char *ids = test_read(test_path(folder, "item_ids.txt"));
    assert_memory_equal(ids, "1000\n1001\n", 10);
    free(ids);
    ids = test_read(test_path(folder, "user_ids.txt"));
    assert_string_equal(ids + strlen(ids) - 9, "339\n9999\n");
    free(ids);

    assert_fails(RK_ERR_CONFIG, "is there already",
                 rk_run_export(o->run, RK_EXPORT_NPY, folder, false));
    assert_ok(rk_run_export(o->run, RK_EXPORT_NPY, folder, true));
    assert_ok(rk_run_export(o->run, RK_EXPORT_TSV, folder, false));
    char *text = test_read(test_path(folder, "item_embeddings.tsv")), *at = text;
    for (int64_t row = 0; row < items; row++) {
        assert_int_equal(strtol(at, &at, 10), 1000 + row);
        for (int64_t k = 0; k < dim; k++) {
            assert_int_equal(*at, '\t');
            assert_true(strtof(at + 1, &at) == item_values[row * dim + k]);
        }
        assert_int_equal(*at++, '\n');
    }
    assert_int_equal(*at, '\0');
    free(text);
}

static void an_export_without_space_leaves_nothing(void **state)
{
    opened *o = *state;
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(o->r.data, "deep/er"));
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN); /* so that a write fails instead of killing the test */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rk_status npy = rk_run_export(o->run, RK_EXPORT_NPY, folder, false);
    rk_status tsv = rk_run_export(o->run, RK_EXPORT_TSV, folder, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(npy, RK_ERR_IO);
    assert_int_equal(tsv, RK_ERR_IO);
    assert_int_equal(rmdir(folder), 0); /* it is empty */
}

/* Whatever allocation fails: a status, and nothing leaks (the sanitizers look). */
static void lack_of_memory_is_survived(void **state)
{
    opened *o = *state;
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(o->r.data, "out"));
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n += 1 + n / 16) {
        rk_run *run = NULL;
        rk_metrics metrics = {0};
        rk_recommendation best[5];
        int64_t count = 0;
        int32_t item = 3;
        rk__alloc_fail_after(n);
        status = rk_run_open(folder, "cpu", NULL, NULL, &run);
        status = status == RK_OK ? rk_run_evaluate(run, RK_TEST, false, NULL, &metrics) : status;
        status = status == RK_OK ? rk_run_recommend(run, 1, 5, best, &count) : status;
        status = status == RK_OK ? rk_run_recommend_items(run, &item, 1, 5, best, &count) : status;
        status = status == RK_OK
                     ? rk_run_export(run, RK_EXPORT_TSV, test_path(o->r.data, "short"), true)
                     : status;
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        rk_metrics_free(&metrics);
        rk_run_free(run);
    }
}

/* ---- opening ---- */

static void only_whole_runs_open(void **state)
{
    (void)state;
    runs r;
    rk_run *run = NULL;
    runs_begin(&r);
    assert_fails(RK_ERR_IO, "no run folder",
                 rk_run_open(test_path(r.data, "absent"), NULL, NULL, NULL, &run));
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=2"}}));
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(r.data, "out"));
    assert_fails(RK_ERR_DEVICE, "cuda", rk_run_open(folder, "cuda", NULL, NULL, &run));
    assert_fails(RK_ERR_CONFIG, "run.device", rk_run_open(folder, "tpu", NULL, NULL, &run));

    /* best.h5 is taken, last.h5 when it is not there. */
    assert_int_equal(truncate(runs_file(&r, "out", "best.h5"), 5000), 0);
    assert_fails(RK_ERR_DATA, "best.h5", rk_run_open(folder, "cpu", NULL, NULL, &run));
    assert_int_equal(unlink(runs_file(&r, "out", "best.h5")), 0);
    assert_ok(rk_run_open(folder, "cpu", NULL, NULL, &run));
    assert_int_equal(rk_run_epoch(run), 2);
    rk_run_free(run);
    assert_int_equal(unlink(runs_file(&r, "out", "last.h5")), 0);
    assert_fails(RK_ERR_IO, "no checkpoint", rk_run_open(folder, "cpu", NULL, NULL, &run));
    runs_end(&r);
}

static void a_lost_data_set_is_prepared_anew(void **state)
{
    (void)state;
    runs r;
    rk_run *run = NULL;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=1"}}));
    char folder[512], cached[512], moved[512];
    snprintf(folder, sizeof folder, "%s", test_path(r.data, "out"));
    assert_ok(rk_run_open(folder, NULL, NULL, NULL, &run));
    snprintf(cached, sizeof cached, "%s", rk_dataset_path(rk_run_dataset(run)));
    rk_run_free(run);
    assert_int_equal(unlink(cached), 0);

    /* The sources moved, too. */
    snprintf(moved, sizeof moved, "%s", test_path(r.data, "moved"));
    assert_int_equal(mkdir(moved, 0777), 0);
    static const char *const names[] = {"train.txt", "valid.txt", "test.txt"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rename(test_path(r.data, names[i]), test_path(moved, names[i])), 0);
    }
    unlink(cached);
    assert_fails(RK_ERR_IO, "train.txt", rk_run_open(folder, NULL, NULL, NULL, &run));
    assert_ok(rk_run_open(folder, NULL, moved, NULL, &run));
    rk_run_free(run);
    unlink(cached);

    FILE *file = fopen(test_path(moved, "train.txt"), "ab");
    assert_non_null(file);
    fputs("12345 1000\n", file);
    fclose(file);
    assert_fails(RK_ERR_DATA, "have changed", rk_run_open(folder, NULL, moved, NULL, &run));
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluation_is_as_reported),
        cmocka_unit_test(recommendations_are_unseen_and_ordered),
        cmocka_unit_test(a_user_without_train_items_gets_popularity),
        cmocka_unit_test(fold_in_finds_the_cluster),
        cmocka_unit_test(fold_in_ranks_nearly_as_well_as_training),
        cmocka_unit_test(exports_read_back),
        cmocka_unit_test(an_export_without_space_leaves_nothing),
        cmocka_unit_test(lack_of_memory_is_survived),
    };
    const struct CMUnitTest opening[] = {
        cmocka_unit_test(only_whole_runs_open),
        cmocka_unit_test(a_lost_data_set_is_prepared_anew),
    };
    int failed = cmocka_run_group_tests_name("run", tests, open_trained, close_trained);
    return failed + cmocka_run_group_tests_name("opening", opening, NULL, NULL);
}
