/*
 * Ranking and metrics against NumPy, on scores with many ties: tests/golden/metrics.txt, made by
 * tools/make_golden_metrics.py. The model is one whose scores are exactly the file's: a user's
 * embedding is their row of scores, an item's is one at its own place and zero elsewhere.
 */
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

static void agrees_with_numpy(void **state)
{
    (void)state;
    golden g;
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    golden_read(&g, "metrics", config);
    const golden_array *scores = golden_get(&g, "scores", 0);
    rk_dataset d = {.n_users = scores->rows, .n_items = scores->cols};
    d.stats.train = fill_part(&d, RK_TRAIN, golden_get(&g, "train", 0));
    d.stats.valid = fill_part(&d, RK_VALID, golden_get(&g, "valid", 0));
    d.stats.test = fill_part(&d, RK_TEST, golden_get(&g, "test", 0));
    char dim[32];
    snprintf(dim, sizeof dim, "model.dim=%lld", (long long)d.n_items);
    assert_ok(rk_config_set(config, dim, "test"));
    assert_ok(rk_config_set(config, "model.kind=mf", "test"));
    assert_ok(rk_config_set(config, "run.device=cpu", "test"));
    const rk_options *options = rk__config_options(config);
    rk_engine engine;
    rk_scorer *by_model;
    assert_ok(rk__set_up(&engine, NULL, &by_model, options, &d, false, NULL));
    write_embeddings(&engine, scores);
    rk_ranker ranker = rk__scorer_ranker(by_model);

    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        const golden_array *expected =
            golden_get(&g, part == RK_VALID ? "metrics.valid" : "metrics.test", 0);
        rk_metrics metrics = {0};
        assert_ok(rk__evaluate(&d, options, part, NULL, 0, &ranker, NULL, &metrics));
        assert_int_equal(metrics.count, expected->rows * expected->cols);
        for (int64_t i = 0; i < metrics.count; i++) {
            assert_close(metrics.values[i].value, expected->v[i], 1e-8, 0);
        }
        rk_metrics_free(&metrics);
    }

    rk__tear_down(&engine, NULL, &by_model);
    for (int part = 0; part < 3; part++) {
        rk__free(d.parts[part].offsets);
        rk__free(d.parts[part].items);
    }
    golden_free(&g);
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_numpy)};
    return cmocka_run_group_tests_name("golden_metrics", tests, NULL, NULL);
}
