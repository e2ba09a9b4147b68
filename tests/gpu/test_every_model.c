/*
 * Models that are solved for, and the scorer of every kind of model, on the CUDA device against the
 * CPU device: tensors, scores and best items of known users, of lists with weights, and of users
 * without train items. On a real device where there is one, else on the one of tests/emu.
 *
 * DEVICES_STEPS below 5 asks for fewer models and users, for sanitizers; with DEVICES_ALL for fewer
 * users alone.
 */
#include <math.h>

#include "device/device.h"
#include "support/triples.h"
#include "train/fitted.h"

enum { USERS = 45, ITEMS = 36, K = 9, LIST = 4, MOST_SETTINGS = 8 };

static int64_t n_steps(void)
{
    const char *text = getenv("DEVICES_STEPS");
    return text ? strtoll(text, NULL, 10) : 5;
}

static bool is_short(void)
{
    return n_steps() < 5;
}

/* Where a question takes seconds: the fewest of each kind. */
static bool is_very_short(void)
{
    return n_steps() < 3;
}

/* One of so many models is taken. */
static size_t models_apart(void)
{
    return getenv("DEVICES_ALL") ? 1 : is_very_short() ? 8 : is_short() ? 3 : 1;
}

static fitted fit_on(const fitted_data *d, const char *device, const char *const *settings)
{
    const char *all[MOST_SETTINGS + 4] = {device, "cuda.steps_per_launch=1"};
    for (int i = 0; settings[i]; i++) {
        all[2 + i] = settings[i];
    }
    return fitted_fit(d, all);
}

static void same_floats(const char *what, const float *actual, const float *expected, int64_t n,
                        double bound)
{
    double *wide = calloc((size_t)n + 1, sizeof *wide);
    for (int64_t i = 0; i < n; i++) {
        wide[i] = (double)expected[i];
    }
    fitted_assert_near(what, actual, wide, n, bound);
    free(wide);
}

/* All tensors; integers, and items of neighbours among them, are equal. */
static void same_tensors(const char *what, const rk_model *cpu, const rk_model *cuda, double bound)
{
    const rk_model_facts facts = rk_model_get_facts(cpu);
    assert_int_equal(rk_model_get_facts(cuda).tensors, facts.tensors);
    for (int64_t t = 0; t < facts.tensors; t++) {
        char name[160];
        rk_tensor_info info;
        assert_ok(rk_model_tensor_info(cpu, t, &info));
        void *a = fitted_tensor(cpu, info.name, NULL, NULL);
        void *b = fitted_tensor(cuda, info.name, NULL, NULL);
        snprintf(name, sizeof name, "%s: %s", what, info.name);
        if (info.type == RK_TENSOR_F32) {
            same_floats(name, b, a, info.rows * info.cols, bound);
        } else {
            size_t size = info.type == RK_TENSOR_I64 ? 8 : 4;
            assert_memory_equal(a, b, (size_t)(info.rows * info.cols) * size);
        }
        free(a);
        free(b);
    }
}

/* The same best items; where two scores are nearer than rounding, either may come first. */
static void same_answer(const char *what, const rk_model *cpu, const rk_model *cuda,
                        const rk_query *query, const rk_selection *selection, double bound)
{
    rk_recommendation a[K], b[K];
    float *scores = fitted_scores(cpu, *query), *other = fitted_scores(cuda, *query);
    double most = 0;
    for (int i = 0; i < ITEMS; i++) {
        most = isinf(scores[i]) ? most : fmax(most, fabs((double)scores[i]));
    }
    same_floats(what, other, scores, ITEMS, bound);
    assert_ok(rk_model_top_k(cpu, query, 1, selection, K, a));
    assert_ok(rk_model_top_k(cuda, query, 1, selection, K, b));
    for (int i = 0; i < K; i++) {
        bool is_tie = a[i].item >= 0 && b[i].item >= 0 &&
                      fabs((double)(scores[a[i].item] - scores[b[i].item])) <= bound * most;
        if (a[i].item != b[i].item && !is_tie) {
            fail_msg("%s: rank %d is item %d on the CPU, %d on CUDA", what, i + 1, a[i].item,
                     b[i].item);
        }
    }
    free(scores);
    free(other);
}

/* Similar items, pairs and reasons. */
static void same_other_answers(const char *what, const fitted *cpu, const fitted *cuda,
                               const rk_query *query, double bound)
{
    enum { ASKED = 3, REASONS = 4 };
    static const int32_t items[ASKED] = {4, 30, 12};
    static const int64_t users[ASKED] = {9, 2, 9};
    float a[ASKED], b[ASKED], most[2][ASKED];
    rk_recommendation best[2][ASKED][K];
    rk_reason reasons[2][ASKED][REASONS];
    rk_explanation sums[2][ASKED];
    rk_status explained[2];
    assert_ok(rk_model_score_pairs(cpu->model, users, items, ASKED, a));
    assert_ok(rk_model_score_pairs(cuda->model, users, items, ASKED, b));
    same_floats(what, b, a, ASKED, bound);
    for (int i = 0; i < 2; i++) {
        const rk_model *model = i == 0 ? cpu->model : cuda->model;
        explained[i] =
            rk_model_explain(model, query, items, ASKED, REASONS, reasons[i][0], sums[i]);
        for (int j = 0; j < ASKED; j++) {
            most[i][j] = explained[i] == RK_OK ? sums[i][j].sum : 0;
        }
        if (rk_model_get_facts(model).finds_similar) {
            assert_ok(rk_model_similar(model, items, ASKED, NULL, K, best[i][0]));
        }
    }
    /* those who have none, user_knn among them, say so on both */
    assert_int_equal(explained[1], explained[0]);
    assert_true(explained[0] == RK_OK || explained[0] == RK_ERR_CONFIG);
    const rk_model_facts facts = rk_model_get_facts(cpu->model);
    assert_int_equal(explained[0] == RK_OK, facts.explains || facts.is_same_for_all);
    same_floats(what, most[1], most[0], ASKED, bound);
    for (int j = 0; j < ASKED; j++) {
        for (int k = 0; explained[0] == RK_OK && k < REASONS && reasons[0][j][k].item >= 0; k++) {
            a[0] = reasons[0][j][k].part;
            b[0] = reasons[1][j][k].part;
            same_floats(what, b, a, 1, 20 * bound);
        }
        for (int k = 0; rk_model_get_facts(cpu->model).finds_similar && k < K; k++) {
            a[0] = best[0][j][k].score;
            b[0] = best[1][j][k].score;
            same_floats(what, b, a, 1, 20 * bound);
        }
    }
}

static void same_model(const fitted_data *d, const char *const *settings, double bound)
{
    static const int32_t items[LIST] = {5, 20, 1, 33}, denied[] = {0, 7};
    static const float weights[LIST] = {2, 0.5F, 1, 0};
    const rk_selection selection = {.seen = 1U << RK_TRAIN, .deny = denied, .n_deny = 2};
    const char *what = settings[1] ? settings[1] : settings[0];
    fitted cpu = fit_on(d, "run.device=cpu", settings);
    fitted cuda = fit_on(d, "run.device=cuda", settings);
    same_tensors(what, cpu.model, cuda.model, bound);
    /* the last user is without train items */
    for (int64_t u = 0; u < d->n_users; u += is_very_short() ? d->n_users - 1
                                             : is_short()    ? 22
                                                             : 4) {
        const rk_query query = {.user = u};
        same_answer(what, cpu.model, cuda.model, &query, &selection, bound);
    }
    const rk_query plain = {.user = -1, .items = items, .n_items = LIST - 1};
    const rk_query weighted = {.user = -1, .items = items, .weights = weights, .n_items = LIST};
    if (!is_very_short()) {
        same_answer(what, cpu.model, cuda.model, &plain, NULL, bound);
    }
    same_answer(what, cpu.model, cuda.model, &weighted, NULL, bound);
    same_other_answers(what, &cpu, &cuda, &weighted, bound);
    rk_metrics a, b;
    assert_ok(rk_model_evaluate(cpu.model, RK_TEST, false, NULL, &a));
    assert_ok(rk_model_evaluate(cuda.model, RK_TEST, false, NULL, &b));
    for (int64_t i = 0; i < a.count; i++) { /* one user may have two items in the other order */
        assert_close(b.values[i].value, a.values[i].value, 1.0 / USERS, 1);
    }
    rk_metrics_free(&a);
    rk_metrics_free(&b);
    fitted_free(&cpu);
    fitted_free(&cuda);
}

static void models_that_are_solved_for_are_the_same(void **unused)
{
    (void)unused;
    static const char *const models[][MOST_SETTINGS] = {
        {"model.kind=popularity"},
        {"model.kind=popularity", "model.half_life=9"},
        {"model.kind=item_knn", "model.similarity=cosine", "model.neighbours=7"},
        {"model.kind=item_knn", "model.similarity=jaccard", "model.neighbours=35",
         "model.aggregate=target"},
        {"model.kind=item_knn", "model.similarity=tfidf", "model.neighbours=7",
         "model.aggregate=target_l1", "model.shrinkage=2"},
        {"model.kind=item_knn", "model.similarity=bm25", "model.neighbours=12",
         "model.aggregate=bars"},
        {"model.kind=item_knn", "model.similarity=pearson", "model.neighbours=12"},
        {"model.kind=item_knn", "model.similarity=asymmetric", "model.similarity_alpha=0.3",
         "model.neighbours=12"},
        {"model.kind=rp3beta", "model.neighbours=9", "model.aggregate=liked_l1"},
        {"model.kind=slim", "model.neighbours=9", "model.l1=0.3", "model.tolerance=1e-12"},
        {"model.kind=user_knn", "model.similarity=jaccard", "model.neighbours=9"},
        {"model.kind=turbo_cf", "model.filter_order=3"},
        {"model.kind=turbo_cf", "model.filter_power=0.7", "model.neighbours=12"},
        {"model.kind=ease", "model.l2=4"},
        {"model.kind=gf_cf", "model.dim=5"},
        /* Of the 21 users the items 20 and 28 have the same ones in train, 11 and 31 as well: their
           scores differ by rounding alone (below 1e-6 of them). With dim=5 each device puts another
           of two on the last place of a list, and coverage is .972 for .944 of 36 items. */
        {"model.kind=pure_svd", "model.dim=8"},
        {"model.kind=ials", "model.dim=8", "train.epochs=3", "model.l2=0.05",
         "model.unobserved_weight=0.2"},
        {"model.kind=ials", "model.dim=9", "train.epochs=3", "model.l2=0.05", "model.solver=cg",
         "model.unobserved_weight=0.2"},
        {"model.kind=ials", "model.dim=8", "train.epochs=3", "model.l2=0.5",
         "model.weighting=confidence", "model.confidence=4"},
        {"model.kind=ials", "model.dim=8", "train.epochs=3", "model.l2=0.5", "model.cg_steps=2",
         "model.weighting=confidence", "model.confidence=4", "model.solver=cg"}};
    fitted_data d;
    for (int shape = 0; shape < 2; shape++) { /* ease by the items, then by the users */
        fitted_data_init(&d, shape == 0 ? USERS : 21, ITEMS, true);
        for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
            const char *settings[MOST_SETTINGS + 1] = {NULL};
            bool is_ease = strcmp(models[i][0], "model.kind=ease") == 0;
            memcpy(settings, models[i], sizeof models[i]);
            if (!is_short() || is_ease || i % models_apart() == (size_t)shape) {
                same_model(&d, settings, 1e-4);
            }
        }
        fitted_data_free(&d);
    }
}

/* Little training: what differs is how known and new users are scored. */
static void trained_models_score_the_same(void **unused)
{
    (void)unused;
    static const char *const models[][MOST_SETTINGS] = {
        {"model.kind=lightgcn", "model.layers=2"},
        {"model.kind=lightgcn", "model.layer_weights=last", "model.layers=2"},
        {"model.kind=lightgcn", "model.layer_weights=learned_softmax", "model.layers=3"},
        {"model.kind=lightgcn", "model.layer_weights=learned", "model.layers=1"},
        {"model.kind=lightgcn++", "model.layers=2"},
        {"model.kind=gcn", "model.layers=2"},
        {"model.kind=ngcf", "model.layers=1"},
        {"model.kind=gat", "model.heads=3"},
        {"model.kind=rgcn", "model.bases=2"},
        {"model.kind=compgcn", "model.composition=corr"},
        {"model.kind=mf", "model.init=xavier"}};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i += models_apart() < 3 ? 1 : 3) {
        const char *settings[MOST_SETTINGS + 1] = {NULL};
        memcpy(settings, models[i], sizeof models[i]);
        settings[3] = "model.dim=12";
        settings[4] = "train.epochs=1";
        settings[5] = "train.batch=64";
        settings[6] = "train.steps_per_epoch=2";
        settings[2] = settings[2] ? settings[2] : "run.seed=3";
        same_model(&d, settings, 1e-4);
    }
    fitted_data_free(&d);
}

/* ---- links ---- */

static void fit_links(const char *folder, const char *device, const char *const *settings,
                      rk_model **out)
{
    const rk_train_options how = rk_train_defaults();
    rk_config *config = load_triples(folder, settings);
    assert_ok(rk_config_set(config, device, "test"));
    assert_ok(rk_model_fit(config, &how, NULL, out));
    rk_config_free(config);
}

/* Queries and entities of a graph of three relations between eleven entities. */
static void links_are_the_same(void **unused)
{
    (void)unused;
#define LITTLE                                                                                     \
    "model.dim=8", "train.epochs=2", "train.batch=16", "cuda.steps_per_launch=1", "eval.k=[3]",    \
        "eval.metric=ndcg@3"
    static const char *const models[][14] = {
        {LITTLE, "model.kind=distmult", "loss.kind=bce", "sampling.negatives=all", NULL},
        {LITTLE, "model.kind=conve", "loss.kind=bce", "sampling.negatives=all",
         "sampling.positives=each_user", "model.image_width=4", "model.filters=4", NULL},
        {LITTLE, "model.kind=transe", "loss.kind=hinge", "sampling.per_positive=3", NULL},
        {LITTLE, "model.kind=transe", "loss.kind=softmax", "sampling.per_positive=3",
         "model.norm=2", NULL},
        {LITTLE, "model.kind=distmult", "loss.kind=bce", "sampling.negatives=all",
         "model.encoder=compgcn", "model.layers=1", "model.composition=corr", NULL},
        {LITTLE, "model.kind=distmult", "loss.kind=bce", "sampling.negatives=all",
         "model.encoder=rgcn", "model.layers=1", "model.bases=2", NULL}};
#undef LITTLE
    char *folder = test_scratch(), rows[2000] = "";
    for (int i = 0; i < 33; i++) {
        snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "e%d,r%d,e%d\n", i % 11, i / 11,
                 (i * 3 + i / 11 + 1) % 11);
    }
    write_triples(folder, rows, "e1,r0,e9\n", "e2,r1,e10\n");
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i += models_apart() < 3 ? 1 : 4) {
        rk_model *cpu = NULL, *cuda = NULL;
        fit_links(folder, "run.device=cpu", models[i], &cpu);
        fit_links(folder, "run.device=cuda", models[i], &cuda);
        /* A shift of what conve's second normalisation centres again has no gradient: Adam moves it
         * by the signs of rounding. Its scores tell of all other parameters. */
        if (strcmp(models[i][6], "model.kind=conve") != 0) {
            same_tensors(models[i][6], cpu, cuda, 1e-4);
        }
        const rk_model_facts facts = rk_model_get_facts(cpu);
        for (int64_t user = 0; user < facts.users; user += 5) {
            float *a = fitted_user_scores(cpu, user), *b = fitted_user_scores(cuda, user);
            same_floats(models[i][6], b, a, facts.items, 1e-4);
            free(a);
            free(b);
        }
        rk_model_free(cpu);
        rk_model_free(cuda);
    }
    test_scratch_remove(folder);
}

static bool has_cuda(void)
{
    const rk_device *device = NULL;
    const char *reason = NULL;
    return rk__device_choose(RK_DEVICE_CUDA, 0, &device, &reason) == RK_OK;
}

/* An argument is a pattern of tests to run. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_that_are_solved_for_are_the_same),
        cmocka_unit_test(trained_models_score_the_same),
        cmocka_unit_test(links_are_the_same),
    };
    if (!has_cuda()) {
        printf("skipped: %s\n", rk_last_error());
        return 77;
    }
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
