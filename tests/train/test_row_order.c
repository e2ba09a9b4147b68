/* graph.order: runs in one order of rows and in another are the same, file by file. */
#include <unistd.h>

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
    same_in_every_order(&r, "model.kind=lightgcn++", "run.threads=2");
    same_in_every_order(&r, "train.refit=true", "graph.form=direct");
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
    assert_non_null(strstr(h.said, " % of the edges are inside a cluster (from about 10 % on"));
    h.said[0] = '\0';
    assert_ok(runs_train(
        &r, "b",
        (run_how){.settings = {"train.epochs=1", "graph.order=cluster", "model.layers=0"},
                  .hooks = &h.hooks}));
    assert_non_null(
        strstr(h.said, "graph.order is cluster, but no step propagates over a whole graph"));
    runs_end(&r);
}

/* ---- long work ---- */

/* More pairs than are gone through between two looks. */
static void write_more(const runs *r)
{
    FILE *file = fopen(test_path(r->data, "train.txt"), "ab");
    assert_non_null(file);
    for (int u = 0; u < 300; u++) {
        fprintf(file, "%d", 10000 + u);
        for (int i = 0; i < 100; i++) {
            fprintf(file, " %d", 1000 + (u % 3 + i) % PLANTED_ITEMS);
        }
        fputc('\n', file);
    }
    fclose(file);
}

typedef struct watcher {
    int64_t asked, stop_at, rest_at; /* 0 = never */
    bool saw_progress;
    rk_hooks hooks;
} watcher;

static bool want_stop(void *user)
{
    watcher *w = user;
    if (++w->asked == w->rest_at) { /* as if it took long */
        usleep(1100000);
    }
    return w->asked == w->stop_at;
}

static void see(void *user, const rk_progress *p)
{
    watcher *w = user;
    if (strcmp(p->phase, "clustering nodes") == 0) {
        w->saw_progress = true;
        assert_string_equal(p->unit, "edges");
        assert_in_range(p->done, 1, p->total);
        assert_true(p->eta_seconds >= 0 && p->seconds > 1);
    }
}

/* Somebody who wants to stop is heard while nodes are clustered; who waits, sees how far it is. */
static void it_is_shown_and_stopped(void **state)
{
    (void)state;
    static const char *const settings[] = {"train.epochs=1", "graph.form=direct",
                                           "graph.order=cluster"};
    runs r;
    watcher w = {.hooks = {.user = &w, .should_stop = want_stop, .progress = see}};
    int64_t clustering = 0, last = 0;
    rk_status status = RK_ERR_INTERRUPTED;
    runs_begin(&r);
    write_more(&r);
    assert_ok(runs_train(&r, "file", (run_how){.settings = {settings[0], settings[1]}}));
    for (int64_t at = 1; !strstr(rk_last_error(), "interrupted in epoch 1"); at++) {
        w.asked = 0;
        w.stop_at = at;
        status = runs_train(&r, "stopped",
                            (run_how){.settings = {settings[0], settings[1], settings[2]},
                                      .hooks = &w.hooks,
                                      .force = true});
        assert_int_equal(status, RK_ERR_INTERRUPTED);
        if (strstr(rk_last_error(), "interrupted while clustering nodes; no step was taken yet")) {
            clustering = clustering > 0 ? clustering : at;
            last = at;
            assert_false(runs_has(&r, "stopped", "last.h5"));
        }
    }
    assert_true(clustering > 0 && last > clustering);
    assert_false(w.saw_progress);
    w.asked = w.stop_at = 0;
    w.rest_at = clustering;
    assert_ok(runs_train(&r, "cluster",
                         (run_how){.settings = {settings[0], settings[1], settings[2]},
                                   .hooks = &w.hooks,
                                   .force = true}));
    assert_true(w.saw_progress);
    runs_assert_same(&r, "file", "cluster");
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_do_not_depend_on_it),
        cmocka_unit_test(runs_are_resumed_in_any),
        cmocka_unit_test(it_is_told),
        cmocka_unit_test(it_is_shown_and_stopped),
    };
    return cmocka_run_group_tests_name("row_order", tests, NULL, NULL);
}
