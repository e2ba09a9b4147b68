/*
 * Ranking and metrics against NumPy, on scores with many ties: tests/golden/metrics.txt, made by
 * tools/make_golden_metrics.py; styles, rankings among candidates and their expectations:
 * tests/golden/protocols.txt, made by tools/make_golden_protocols.py. The model is one whose scores
 * are exactly the file's: a user's embedding is their row of scores, an item's is one at its own
 * place and zero elsewhere.
 */
#include <math.h>

#include "base/alloc.h"
#include "support/golden.h"
#include "train/set_up.h"

/* The pairs of an array, which are in the order of the user, then of the item. */
static int64_t fill_part(rk_dataset *d, rk_part part, const golden_array *pairs)
{
    rk_lists *lists = &d->parts[part];
    lists->n_rows = d->n_users;
    assert_ok(rk__calloc(&lists->offsets, d->n_users + 1, sizeof *lists->offsets, "offsets"));
    assert_ok(rk__alloc(&lists->items, pairs->rows, sizeof *lists->items, "items"));
    for (int64_t i = 0; i < pairs->rows; i++) {
        lists->offsets[(int64_t)pairs->v[2 * i] + 1]++;
        lists->items[i] = (int32_t)pairs->v[2 * i + 1];
    }
    for (int64_t u = 0; u < d->n_users; u++) {
        lists->offsets[u + 1] += lists->offsets[u];
    }
    return pairs->rows;
}

/* Users, then items. */
static void write_embeddings(rk_engine *e, const golden_array *scores)
{
    const int64_t n_users = scores->rows, n_items = scores->cols, n = n_users + n_items;
    float *table = calloc((size_t)(n * n_items), sizeof *table);
    assert_non_null(table);
    for (int64_t i = 0; i < n_users * n_items; i++) {
        table[i] = (float)scores->v[i];
    }
    for (int64_t i = 0; i < n_items; i++) {
        table[(n_users + i) * n_items + i] = 1;
    }
    assert_ok(e->device->write(e->context, e->model.parameters[0].stored, 0, n, table));
    rk__engine_parameters_changed(e);
    free(table);
}

/* A data set and a model of a golden file. */
typedef struct world {
    golden g;
    rk_config *config;
    rk_dataset d;
    rk_engine engine;
    rk_scorer *scorer;
} world;

static void make_world(world *w, const char *name)
{
    *w = (world){0};
    assert_ok(rk_config_create(&w->config));
    golden_read(&w->g, name, w->config);
    const golden_array *scores = golden_get(&w->g, "scores", 0);
    w->d = (rk_dataset){.n_users = scores->rows, .n_items = scores->cols};
    w->d.stats.train = fill_part(&w->d, RK_TRAIN, golden_get(&w->g, "train", 0));
    w->d.stats.valid = fill_part(&w->d, RK_VALID, golden_get(&w->g, "valid", 0));
    w->d.stats.test = fill_part(&w->d, RK_TEST, golden_get(&w->g, "test", 0));
    char dim[32];
    snprintf(dim, sizeof dim, "model.dim=%lld", (long long)w->d.n_items);
    assert_ok(rk_config_set(w->config, dim, "test"));
    assert_ok(rk_config_set(w->config, "model.kind=mf", "test"));
    assert_ok(rk_config_set(w->config, "run.device=cpu", "test"));
    assert_ok(rk__set_up(&w->engine, NULL, &w->scorer, rk__config_options(w->config), &w->d, false,
                         NULL));
    write_embeddings(&w->engine, scores);
}

static void free_world(world *w)
{
    rk__tear_down(&w->engine, NULL, &w->scorer);
    for (int part = 0; part < 3; part++) {
        rk__free(w->d.parts[part].offsets);
        rk__free(w->d.parts[part].items);
    }
    golden_free(&w->g);
    rk_config_free(w->config);
}

static rk_metrics evaluate(const world *w, rk_part part)
{
    rk_metrics metrics = {0};
    const rk_eval_more more = {.is_expected = true};
    rk_ranker ranker = rk__scorer_ranker(w->scorer);
    assert_ok(rk__evaluate_more(&w->d, rk__config_options(w->config), part, &more, &ranker, NULL,
                                &metrics));
    return metrics;
}

static void agrees_with_numpy(void **state)
{
    (void)state;
    world w;
    make_world(&w, "metrics");
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        const golden_array *expected =
            golden_get(&w.g, part == RK_VALID ? "metrics.valid" : "metrics.test", 0);
        rk_metrics metrics = evaluate(&w, part);
        assert_int_equal(metrics.count, expected->rows * expected->cols);
        for (int64_t i = 0; i < metrics.count; i++) {
            assert_close(metrics.values[i].value, expected->v[i], 1e-8, 0);
            assert_true(isnan(metrics.values[i].expected));
        }
        rk_metrics_free(&metrics);
    }
    free_world(&w);
}

static void styles_agree_with_numpy(void **state)
{
    (void)state;
    static const char *const styles[] = {"recbole",  "lightgcn", "lenskit",
                                         "rectools", "implicit", "elliot"};
    world w;
    make_world(&w, "protocols");
    const golden_array *ratings = golden_get(&w.g, "ratings", 0);
    w.d.details[RK_TEST].value = calloc((size_t)ratings->rows, sizeof(float));
    assert_non_null(w.d.details[RK_TEST].value);
    for (int64_t i = 0; i < ratings->rows; i++) {
        w.d.details[RK_TEST].value[i] = (float)ratings->v[i];
    }
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
        char name[64], setting[64];
        snprintf(name, sizeof name, "full.%s", styles[i]);
        snprintf(setting, sizeof setting, "eval.style=%s", styles[i]);
        assert_ok(rk_config_set(w.config, setting, "test"));
        const golden_array *expected = golden_get(&w.g, name, 0);
        rk_metrics metrics = evaluate(&w, RK_TEST);
        assert_int_equal(metrics.count, expected->rows);
        for (int64_t v = 0; v < metrics.count; v++) {
            bool is_single = strncmp(metrics.values[v].name, "novelty", 7) == 0;
            assert_close(metrics.values[v].value, expected->v[v], is_single ? 1e-6 : 1e-8, 0);
        }
        rk_metrics_free(&metrics);
    }
    free(w.d.details[RK_TEST].value);
    free_world(&w);
}

static void candidates_agree_with_numpy(void **state)
{
    (void)state;
    world w;
    make_world(&w, "protocols");
    const golden_array *candidates = golden_get(&w.g, "candidates", 0);
    const golden_array *sampled = golden_get(&w.g, "sampled", 0);
    const golden_array *expected = golden_get(&w.g, "expected", 0);
    const int64_t n = candidates->rows * candidates->cols;
    w.d.n_candidates = candidates->cols;
    w.d.candidates[RK_TEST] = calloc((size_t)n, sizeof(int32_t));
    assert_non_null(w.d.candidates[RK_TEST]);
    for (int64_t i = 0; i < n; i++) {
        w.d.candidates[RK_TEST][i] = (int32_t)candidates->v[i];
    }
    assert_ok(rk_config_set(w.config, "eval.among=candidates", "test"));
    rk_metrics metrics = evaluate(&w, RK_TEST);
    const int64_t n_hits = sampled->rows * sampled->cols; /* metrics of hits come first */
    for (int64_t v = 0; v < metrics.count; v++) {
        if (v < n_hits) {
            assert_close(metrics.values[v].value, sampled->v[v], 1e-8, 0);
            assert_close(metrics.values[v].expected, expected->v[v], 1e-8, 0);
        } else {
            assert_true(isnan(metrics.values[v].expected));
        }
    }
    rk_metrics_free(&metrics);
    free(w.d.candidates[RK_TEST]);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_numpy),
        cmocka_unit_test(styles_agree_with_numpy),
        cmocka_unit_test(candidates_agree_with_numpy),
    };
    return cmocka_run_group_tests_name("golden_metrics", tests, NULL, NULL);
}
