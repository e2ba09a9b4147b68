/*
 * One model, asked by eight threads at once, answers each as it answers one alone: the best items
 * of known users and of lists, similar items, reasons, scores, tensors, an evaluation, and errors,
 * which are each thread's own.
 * Also built for ThreadSanitizer (tests.cmake).
 */
#include <pthread.h>

#include "train/fitted.h"

enum { THREADS = 8, ROUNDS = 12, USERS = 50, ITEMS = 40, K = 7, LIST = 3 };

/* What a thread gets in one round; compared byte for byte. */
typedef struct answers {
    rk_recommendation users[USERS * K], one[K], list[K], similar[K];
    rk_reason reasons[LIST * K];
    float pair, sum;
    int32_t basis;
    float scores[ITEMS], tensor[ITEMS];
    double ndcg;
} answers;

typedef struct asked {
    const rk_model *model;
    const char *tensor; /* float, at least ITEMS elements in its first rows */
    int64_t tensor_rows;
    const answers *expected; /* [USERS]: of the round of user u */
    int first;
    const char *wrong; /* what was not as expected; NULL = nothing */
} asked;

static rk_query list_of(int user, int32_t items[LIST], float weights[LIST])
{
    for (int i = 0; i < LIST; i++) {
        items[i] = (int32_t)((user + 11 * i) % (ITEMS - 1));
        weights[i] = 0.5F + (float)i;
    }
    return (rk_query){.user = -1, .items = items, .weights = weights, .n_items = LIST};
}

static bool ask(const asked *a, int user, answers *out)
{
    rk_query users[USERS], one = {.user = user};
    int32_t items[ITEMS], listed[LIST];
    float weights[LIST];
    rk_query list = list_of(user, listed, weights);
    const rk_selection selection = {.seen = 1U << RK_TRAIN, .deny = listed, .n_deny = 1};
    rk_metrics metrics = {0};
    rk_explanation sums[LIST] = {{.sum = 0}};
    rk_grounds grounds = {.items_used = 0};
    memset(out, 0, sizeof *out);
    for (int i = 0; i < USERS; i++) {
        users[i] = (rk_query){.user = (user + i) % USERS};
    }
    for (int i = 0; i < ITEMS; i++) {
        items[i] = i;
    }
    bool good =
        rk_model_top_k(a->model, users, USERS, NULL, K, out->users) == RK_OK &&
        rk_model_top_k(a->model, &one, 1, &selection, K, out->one) == RK_OK &&
        rk_model_score(a->model, user % 2 ? &one : &list, 1, items, ITEMS, out->scores) == RK_OK &&
        rk_model_top_k(a->model, &list, 1, NULL, K, out->list) == RK_OK &&
        rk_model_similar(a->model, listed, 1, NULL, K, out->similar) == RK_OK &&
        rk_model_explain(a->model, &one, listed, LIST, K, out->reasons, sums) == RK_OK &&
        rk_model_grounds(a->model, &one, &grounds) == RK_OK &&
        rk_model_score_pairs(a->model, &one.user, listed, 1, &out->pair) == RK_OK &&
        rk_model_read_tensor(a->model, a->tensor, 0, a->tensor_rows, out->tensor,
                             sizeof out->tensor) == RK_OK;
    out->sum = sums[LIST - 1].sum;
    out->basis = (int32_t)grounds.basis;
    if (good && user % 5 == 0) {
        good = rk_model_evaluate(a->model, RK_TEST, false, NULL, &metrics) == RK_OK;
        out->ndcg = good ? metrics.values[1].value : 0;
        rk_metrics_free(&metrics);
    }
    return good;
}

static const char *ask_and_compare(const asked *a, int user)
{
    char name[32], quoted[40];
    answers got;
    float ignored;
    snprintf(name, sizeof name, "nobody.%d", user);
    snprintf(quoted, sizeof quoted, "'%s'", name);
    if (rk_model_read_tensor(a->model, name, 0, 1, &ignored, sizeof ignored) != RK_ERR_CONFIG) {
        return "an unknown tensor was found";
    }
    if (!ask(a, user, &got)) {
        return "a question failed";
    }
    if (!strstr(rk_last_error(), quoted)) {
        return "the last error is another thread's";
    }
    return memcmp(&got, &a->expected[user], sizeof got) == 0 ? NULL : "an answer differs";
}

static void *run(void *user)
{
    asked *a = user;
    for (int round = 0; round < ROUNDS && !a->wrong; round++) {
        a->wrong = ask_and_compare(a, (a->first + 3 * round) % USERS);
    }
    return NULL;
}

static void check(const char *const *settings, const char *tensor, int64_t rows)
{
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    fitted f = fitted_fit(&d, settings);
    answers *expected = calloc(USERS, sizeof *expected);
    asked a[THREADS];
    pthread_t threads[THREADS];
    const asked alone = {.model = f.model, .tensor = tensor, .tensor_rows = rows};
    for (int u = 0; u < USERS; u++) {
        assert_true(ask(&alone, u, &expected[u]));
    }
    rk_model_free(f.model); /* the threads find one that nobody has asked anything yet */
    rk_train_options how = rk_train_defaults();
    how.dataset = f.dataset;
    assert_ok(rk_model_fit(f.config, &how, NULL, &f.model));
    for (int t = 0; t < THREADS; t++) {
        a[t] = alone;
        a[t].model = f.model;
        a[t].expected = expected;
        a[t].first = 5 * t;
        assert_int_equal(pthread_create(&threads[t], NULL, run, &a[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        if (a[t].wrong) {
            fail_msg("thread %d, %s: %s", t, settings[0], a[t].wrong);
        }
    }
    free(expected);
    fitted_free(&f);
    fitted_data_free(&d);
}

static void eight_threads_get_what_one_gets(void **unused)
{
    (void)unused;
    static const char *const lightgcn[] = {"model.layers=2",  "model.dim=16",  "train.epochs=3",
                                           "train.batch=128", "eval.k=[5, 7]", NULL};
    static const char *const ials[] = {"model.kind=ials", "model.dim=8", "train.epochs=2", NULL};
    static const char *const knn[] = {"model.kind=item_knn", "model.neighbours=9",
                                      "model.aggregate=bars", NULL};
    static const char *const ease[] = {"model.kind=ease", "model.l2=5", NULL};
    check(lightgcn, "final", 2);
    check(ials, "factors", 5);
    check(knn, "similarities", 4);
    check(ease, "ease.items", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(eight_threads_get_what_one_gets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
