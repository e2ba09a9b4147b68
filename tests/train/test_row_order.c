/* graph.order: runs in one order of rows and in another are the same, file by file. */
#include "train/runs.h"

/* Trains in both orders into folders of their own, and compares. */
static void same_in_every_order(const runs *r, const char *a, const char *b)
{
    static const char *const orders[][2] = {{"file", "graph.order=file"},
                                            {"cluster", "graph.order=cluster"}};
    for (int i = 0; i < 2; i++) {
        assert_ok(runs_train(
            r, orders[i][0],
            (run_how){.settings = {orders[i][1], "train.epochs=3", a, b}, .force = true}));
    }
    runs_assert_same(r, "file", "cluster");
}

static void runs_do_not_depend_on_it(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    same_in_every_order(&r, "graph.form=direct", "run.threads=1");
    same_in_every_order(&r, "train.propagation=fp16", "run.threads=2");
    same_in_every_order(&r, "loss.contrast=sgl", "model.dim=20");
    same_in_every_order(&r, "model.kind=gcn", "run.threads=2");
    same_in_every_order(&r, "model.layers=1", "run.threads=2");
    runs_end(&r);
}

/* A checkpoint written in one order is resumed in another. */
static void runs_are_resumed_in_any(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "whole", (run_how){.settings = {"train.epochs=4"}}));
    assert_ok(
        runs_train(&r, "parts", (run_how){.settings = {"train.epochs=1", "graph.order=cluster"}}));
    assert_ok(runs_train(&r, "parts", (run_how){.settings = {"train.epochs=2"}, .resume = true}));
    assert_ok(runs_train(
        &r, "parts",
        (run_how){.settings = {"train.epochs=4", "graph.order=cluster"}, .resume = true}));
    runs_assert_same(&r, "whole", "parts");
    runs_end(&r);
}

typedef struct heard {
    char said[4096];
    rk_hooks hooks;
} heard;

static void hear(void *user, rk_log_level level, const char *text)
{
    heard *h = user;
    (void)level;
    size_t n = strlen(h->said);
    snprintf(h->said + n, sizeof h->said - n, "%s\n", text);
}

/* Told of the order, or that there is nothing that has one. */
static void it_is_told(void **state)
{
    (void)state;
    runs r;
    heard h = {.hooks = {.user = &h, .log = hear}};
    runs_begin(&r);
    assert_ok(runs_train(
        &r, "a",
        (run_how){.settings = {"train.epochs=1", "graph.order=cluster"}, .hooks = &h.hooks}));
    assert_non_null(strstr(h.said, "graph.order cluster: "));
    assert_non_null(strstr(h.said, " rows ordered in "));
    h.said[0] = '\0';
    assert_ok(runs_train(
        &r, "b",
        (run_how){.settings = {"train.epochs=1", "graph.order=cluster", "model.layers=0"},
                  .hooks = &h.hooks}));
    assert_non_null(
        strstr(h.said, "graph.order is cluster, but no step propagates over a whole graph"));
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_do_not_depend_on_it),
        cmocka_unit_test(runs_are_resumed_in_any),
        cmocka_unit_test(it_is_told),
    };
    return cmocka_run_group_tests_name("row_order", tests, NULL, NULL);
}
