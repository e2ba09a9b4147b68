/* The model of an opened run: evaluation as reported, recommendations, fold-in, export. */
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
    rk_model *model;
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
    assert_ok(rk_model_open(test_path(o->r.data, "out"), NULL, NULL, NULL, &o->model));
    *state = o;
    return 0;
}

static int close_trained(void **state)
{
    opened *o = *state;
    rk_model_free(o->model);
    runs_end(&o->r);
    free(o);
    return 0;
}

static void evaluation_is_as_reported(void **state)
{
    opened *o = *state;
    static const char *const parts[] = {[RK_VALID] = "valid", [RK_TEST] = "test"};
    assert_true((double)rk_model_get_facts(o->model).epoch ==
                runs_reported(&o->r, "out", "chosen.epoch"));
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        for (int popularity = 0; popularity < 2; popularity++) {
            rk_metrics metrics;
            assert_ok(rk_model_evaluate(o->model, part, popularity, NULL, &metrics));
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
                 rk_model_evaluate(o->model, RK_TRAIN, false, NULL, &none));
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

/* Rows of the table of all users and items that scores are dot products of; free() it. */
static float *final_of(const rk_model *model)
{
    rk_tensor_info t;
    assert_ok(rk_model_find_tensor(model, "final", &t));
    const int64_t bytes = t.rows * t.cols * (int64_t)sizeof(float);
    assert_int_equal(t.type, RK_TENSOR_F32);
    assert_int_equal(t.cols, DIM);
    float *values = malloc((size_t)bytes);
    assert_non_null(values);
    assert_ok(rk_model_read_tensor(model, "final", 0, t.rows, values, bytes));
    return values;
}

/* How many answers a known user gets. */
static int64_t answers(const rk_model *model, int64_t user, int64_t k, rk_recommendation *best)
{
    const rk_query query = {.user = user};
    int64_t n = 0;
    assert_ok(rk_model_top_k(model, &query, 1, NULL, k, best));
    while (n < k && best[n].item >= 0) {
        n++;
    }
    for (int64_t i = n; i < k; i++) {
        assert_true(best[i].item == -1 && best[i].score == 0);
    }
    return n;
}

static int64_t answers_by_items(const rk_model *model, const int32_t *items, int64_t n_items,
                                int64_t k, rk_recommendation *best)
{
    const rk_query query = {.user = -1, .items = items, .n_items = n_items};
    int64_t n = 0;
    assert_ok(rk_model_top_k(model, &query, 1, NULL, k, best));
    while (n < k && best[n].item >= 0) {
        n++;
    }
    return n;
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
    const rk_dataset *d = rk_model_dataset(o->model);
    float *users = final_of(o->model);
    const float *items = users + (PLANTED_USERS + 1) * DIM;
    for (int64_t user = 0; user < PLANTED_USERS; user += 7) {
        rk_recommendation best[200], everything[200];
        assert_int_equal(answers(o->model, user, 10, best), 10);
        assert_ordered(best, 10);
        for (int64_t i = 0; i < 10; i++) {
            double score = 0;
            for (int64_t k = 0; k < DIM; k++) {
                score += (double)users[user * DIM + k] * (double)items[best[i].item * DIM + k];
            }
            assert_false(knows(d, user, best[i].item));
            assert_close((double)best[i].score, score, 1e-5, 1e-3);
        }
        /* With room for everything: the same ten first, and every unknown item once. */
        int64_t all = answers(o->model, user, 200, everything);
        assert_int_equal(all, PLANTED_ITEMS - KNOWN);
        assert_ordered(everything, all);
        assert_memory_equal(best, everything, 10 * sizeof *best);
    }
    free(users);
}

static void a_user_without_train_items_gets_popularity(void **state)
{
    opened *o = *state;
    const rk_dataset *d = rk_model_dataset(o->model);
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
    assert_int_equal(answers(o->model, user, 10, best), 10);
    assert_ordered(best, 10);
    for (int i = 0; i < 10; i++) {
        assert_true(best[i].item != 0); /* item 1000 is what this user has in test */
        assert_true((int64_t)best[i].score == degree[best[i].item]);
    }
    for (int item = 1; item < PLANTED_ITEMS; item++) { /* nothing better was left out */
        assert_true(degree[item] <= (int64_t)best[0].score);
    }
    assert_int_equal(answers_by_items(o->model, NULL, 0, 10, best), 10); /* with no items */
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
        int inside = 0;
        assert_int_equal(answers_by_items(o->model, items, 6, 10, best), 10);
        assert_ordered(best, 10);
        for (int i = 0; i < 10; i++) {
            inside += best[i].item % PLANTED_CLUSTERS == cluster;
            for (int j = 0; j < 5; j++) {
                assert_true(best[i].item != items[j]);
            }
        }
        assert_true(inside >= 9);
    }
}

/* Share of the test items found among ten that are not in train, by the model of the user and as
 * somebody new with the same train items. */
static double hits_of(const rk_model *model, bool as_new)
{
    const rk_dataset *d = rk_model_dataset(model);
    const rk_selection unseen = {.seen = 1u << RK_TRAIN};
    double hits = 0;
    for (int64_t user = 0; user < PLANTED_USERS; user++) {
        const int32_t *train = NULL, *test = NULL;
        int64_t n_train = 0, n_test = 0;
        rk_recommendation best[10];
        assert_ok(rk_dataset_items(d, RK_TRAIN, user, &train, &n_train));
        assert_ok(rk_dataset_items(d, RK_TEST, user, &test, &n_test));
        rk_query query = {.user = user};
        if (as_new) {
            query = (rk_query){.user = -1, .items = train, .n_items = n_train};
        }
        assert_ok(rk_model_top_k(model, &query, 1, &unseen, 10, best));
        for (int64_t i = 0; i < 10; i++) {
            for (int64_t j = 0; j < n_test; j++) {
                hits += best[i].item == test[j];
            }
        }
    }
    return hits / (PLANTED_USERS * PLANTED_TEST);
}

/* Every model: somebody new with the train items of a known user finds nearly as much. Where the
 * items say everything about a user, they are the same to it. */
static void fold_in_ranks_nearly_as_well_as_training(void **state)
{
    opened *o = *state;
    static const struct {
        const char *config, *settings[4];
        double least; /* of what known users find */
    } cases[] = {
        {NULL, {"train.epochs=8"}, 0.9},
        {NULL, {"train.epochs=8", "model.layer_weights=learned"}, 0.9},
        {NULL, {"train.epochs=8", "model.kind=lightgcn++"}, 0.9},
        {NULL, {"train.epochs=20", "model.kind=mf", "train.learning_rate=0.05"}, 0.9},
        {"plain.yaml", {"model.kind=popularity"}, 1},
        {"plain.yaml", {"model.kind=item_knn"}, 1},
        {"plain.yaml", {"model.kind=item_knn", "model.aggregate=bars"}, 1},
        {"plain.yaml", {"model.kind=ease"}, 1},
        {"plain.yaml", {"model.kind=ials", "train.epochs=5"}, 0.95},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const *s = cases[i].settings;
        rk_model *model = NULL;
        run_how how = {.settings = {s[0], s[1], s[2]}, .config = cases[i].config};
        assert_ok(runs_fit(&o->r, how, &model));
        double known = hits_of(model, false), as_new = hits_of(model, true);
        if (!(known > 0.05 && as_new >= cases[i].least * known)) {
            fail_msg("%s %s: recall@10 of known users %g, of the same users folded in %g", s[0],
                     s[1] ? s[1] : "", known, as_new);
        }
        rk_model_free(model);
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
    const int64_t users = PLANTED_USERS + 1, items = PLANTED_ITEMS;
    char *files = NULL;
    float *values = final_of(o->model);
    const float *item_values = values + users * DIM;
    assert_ok(rk_model_export(o->model, RK_EXPORT_NPY, folder, false, NULL));
    check_npy(test_path(folder, "user_embeddings.npy"), values, users, "(241, 16)");
    check_npy(test_path(folder, "item_embeddings.npy"), item_values, items, "(150, 16)");
    char *ids = test_read(test_path(folder, "item_ids.txt"));
    assert_memory_equal(ids, "1000\n1001\n", 10);
    free(ids);
    ids = test_read(test_path(folder, "user_ids.txt"));
    assert_string_equal(ids + strlen(ids) - 9, "339\n9999\n");
    free(ids);

    assert_fails(RK_ERR_CONFIG, "is there already",
                 rk_model_export(o->model, RK_EXPORT_NPY, folder, false, NULL));
    assert_ok(rk_model_export(o->model, RK_EXPORT_NPY, folder, true, &files));
    assert_string_equal(files, "user_embeddings.npy (241 x 16)\nitem_embeddings.npy (150 x 16)\n"
                               "user_ids.txt\nitem_ids.txt\n");
    rk_string_free(files);
    assert_ok(rk_model_export(o->model, RK_EXPORT_TSV, folder, false, NULL));
    char *text = test_read(test_path(folder, "item_embeddings.tsv")), *at = text;
    for (int64_t row = 0; row < items; row++) {
        assert_int_equal(strtol(at, &at, 10), 1000 + row);
        for (int64_t k = 0; k < DIM; k++) {
            assert_int_equal(*at, '\t');
            assert_true(strtof(at + 1, &at) == item_values[row * DIM + k]);
        }
        assert_int_equal(*at++, '\n');
    }
    assert_int_equal(*at, '\0');
    free(text);
    free(values);
}

/* A model that is no table of vectors: its tensors under their own names, those of a row an item
 * also as text. */
static void other_models_export_their_tensors(void **state)
{
    opened *o = *state;
    static const struct {
        const char *settings[3];
        const char *npy, *tsv;
    } cases[] = {
        {{"model.kind=popularity"}, "scores.npy (150 x 1)\n", "scores.tsv (150 x 1)\n"},
        {{"model.kind=ease"}, "ease_items.npy (150 x 150)\n", "ease_items.tsv (150 x 150)\n"},
        {{"model.kind=item_knn", "model.neighbours=4"},
         "neighbours.npy (150 x 4)\nsimilarities.npy (150 x 4)\n",
         "neighbours.tsv (150 x 4)\nsimilarities.tsv (150 x 4)\n"},
        {{"model.kind=rp3beta", "model.neighbours=3"},
         "neighbours.npy (150 x 3)\nsimilarities.npy (150 x 3)\n",
         "neighbours.tsv (150 x 3)\nsimilarities.tsv (150 x 3)\n"},
        {{"model.kind=ials", "train.epochs=1", "model.dim=16"},
         "user_embeddings.npy (241 x 16)\nitem_embeddings.npy (150 x 16)\n",
         "user_embeddings.tsv (241 x 16)\nitem_embeddings.tsv (150 x 16)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const *s = cases[i].settings;
        rk_model *model = NULL;
        char *files = NULL, folder[512], name[32];
        assert_ok(runs_fit(&o->r, (run_how){.settings = {s[0], s[1], s[2]}, .config = "plain.yaml"},
                           &model));
        snprintf(name, sizeof name, "exported%d", (int)i);
        snprintf(folder, sizeof folder, "%s", test_path(o->r.data, name));
        assert_ok(rk_model_export(model, RK_EXPORT_NPY, folder, false, &files));
        assert_memory_equal(files, cases[i].npy, strlen(cases[i].npy));
        assert_string_equal(files + strlen(cases[i].npy), "user_ids.txt\nitem_ids.txt\n");
        rk_string_free(files);
        assert_ok(rk_model_export(model, RK_EXPORT_TSV, folder, false, &files));
        assert_string_equal(files, cases[i].tsv);
        rk_string_free(files);
        rk_model_free(model);
    }
    char *text = test_read(test_path(o->r.data, "exported0/scores.tsv"));
    assert_memory_equal(text, "1000\t", 5);
    free(text);
    text = test_read(test_path(o->r.data, "exported2/neighbours.npy"));
    assert_memory_equal(text + 10, "{'descr': '<i4', ", 17);
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
    rk_status npy = rk_model_export(o->model, RK_EXPORT_NPY, folder, false, NULL);
    rk_status tsv = rk_model_export(o->model, RK_EXPORT_TSV, folder, false, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(npy, RK_ERR_IO);
    assert_int_equal(tsv, RK_ERR_IO);
    assert_int_not_equal(access(folder, F_OK), 0);
}

/* Whatever allocation fails: a status, and nothing leaks (the sanitizers look). */
static void lack_of_memory_is_survived(void **state)
{
    opened *o = *state;
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(o->r.data, "out"));
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n += 1 + n / 16) {
        rk_model *model = NULL;
        rk_metrics metrics = {0};
        rk_recommendation best[5];
        float score = 0;
        int32_t item = 3;
        const rk_query queries[] = {{.user = 1}, {.user = -1, .items = &item, .n_items = 1}};
        rk__alloc_fail_after(n);
        status = rk_model_open(folder, "cpu", NULL, NULL, &model);
        status =
            status == RK_OK ? rk_model_evaluate(model, RK_TEST, false, NULL, &metrics) : status;
        for (int i = 0; i < 2 && status == RK_OK; i++) {
            status = rk_model_top_k(model, &queries[i], 1, NULL, 5, best);
            status =
                status == RK_OK ? rk_model_score(model, &queries[i], 1, &item, 1, &score) : status;
        }
        status = status == RK_OK ? rk_model_export(model, RK_EXPORT_TSV,
                                                   test_path(o->r.data, "short"), true, NULL)
                                 : status;
        status =
            status == RK_OK ? rk_model_save(model, test_path(o->r.data, "short.h5"), true) : status;
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        rk_metrics_free(&metrics);
        rk_model_free(model);
    }
}

/* ---- opening ---- */

static void only_whole_runs_open(void **state)
{
    (void)state;
    runs r;
    rk_model *model = NULL;
    runs_begin(&r);
    assert_fails(RK_ERR_IO, "no run folder",
                 rk_model_open(test_path(r.data, "absent"), NULL, NULL, NULL, &model));
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=2"}}));
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(r.data, "out"));
    assert_fails(RK_ERR_DEVICE, "cuda", rk_model_open(folder, "cuda", NULL, NULL, &model));
    assert_fails(RK_ERR_CONFIG, "run.device", rk_model_open(folder, "tpu", NULL, NULL, &model));

    /* best.h5 is taken, and nothing in its place where it was there once. */
    assert_int_equal(truncate(runs_file(&r, "out", "best.h5"), 5000), 0);
    assert_fails(RK_ERR_DATA, "best.h5", rk_model_open(folder, "cpu", NULL, NULL, &model));
    assert_int_equal(unlink(runs_file(&r, "out", "best.h5")), 0);
    assert_fails(RK_ERR_IO, "best.h5 is gone, though epoch ",
                 rk_model_open(folder, "cpu", NULL, NULL, &model));
    assert_int_equal(unlink(runs_file(&r, "out", "last.h5")), 0);
    assert_fails(RK_ERR_IO, "no checkpoint", rk_model_open(folder, "cpu", NULL, NULL, &model));
    runs_end(&r);
}

static void a_lost_data_set_is_prepared_anew(void **state)
{
    (void)state;
    runs r;
    rk_model *model = NULL;
    runs_begin(&r);
    assert_ok(
        runs_train(&r, "out", (run_how){.settings = {"train.epochs=1", "run.keep_data=false"}}));
    assert_false(runs_has(&r, "out", "data.h5"));
    char folder[512], cached[512], moved[512];
    snprintf(folder, sizeof folder, "%s", test_path(r.data, "out"));
    assert_ok(rk_model_open(folder, NULL, NULL, NULL, &model));
    snprintf(cached, sizeof cached, "%s", rk_dataset_path(rk_model_dataset(model)));
    rk_model_free(model);
    assert_int_equal(unlink(cached), 0);

    /* The sources moved, too. */
    snprintf(moved, sizeof moved, "%s", test_path(r.data, "moved"));
    assert_int_equal(mkdir(moved, 0777), 0);
    static const char *const names[] = {"train.txt", "valid.txt", "test.txt"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rename(test_path(r.data, names[i]), test_path(moved, names[i])), 0);
    }
    unlink(cached);
    assert_fails(RK_ERR_IO, "train.txt", rk_model_open(folder, NULL, NULL, NULL, &model));
    assert_ok(rk_model_open(folder, NULL, moved, NULL, &model));
    rk_model_free(model);
    unlink(cached);

    FILE *file = fopen(test_path(moved, "train.txt"), "ab");
    assert_non_null(file);
    fputs("12345 1000\n", file);
    fclose(file);
    assert_fails(RK_ERR_DATA, "have changed", rk_model_open(folder, NULL, moved, NULL, &model));
    assert_non_null(strstr(rk_last_error(), moved));
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
        cmocka_unit_test(other_models_export_their_tensors),
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
