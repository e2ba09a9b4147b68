/*
 * Sizes beyond 2^31: a graph whose edges times columns pass it, and a table whose elements do.
 * Indices of 32 bits anywhere give other numbers, or a crash.
 *
 * On the CUDA device, or with LARGE_DEVICE=cpu on the CPU, where the table also wants
 * LARGE_TABLE=1: it fills 17 GB. A part that does not fit says so and is left out.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/choices.h"
#include "device/device.h"
#include "graph/graph.h"
#include "ops/builder_solve.h"
#include "support/support.h"

enum {
    COLS = 64,
    USERS = 180000,
    ITEMS = 120000,
    ITEMS_OF_A_USER = 96,          /* 2 * 180,000 * 96 * 64 = 2.2e9 */
    NODES_OF_THE_TABLE = 34000000, /* * 64 = 2.2e9 */
};

static const rk_device *device;

static bool fits(rk_device_context *context, double bytes)
{
    rk_device_info info;
    assert_ok(device->info(context, &info));
    if (1.1 * bytes > (double)info.memory_free) {
        printf("left out: %.1f GB are wanted, %.1f GB are free\n", 1.1e-9 * bytes,
               1e-9 * (double)info.memory_free);
        return false;
    }
    return true;
}

/* ---- many edges ---- */

static int32_t item_of(int64_t user, int64_t k)
{
    /* Ascending in k, spread over the catalogue, and the first items popular: rows to split. */
    return (int32_t)(k < 16 ? k
                            : 16 + (k - 16) * (ITEMS - 16) / (ITEMS_OF_A_USER - 16) +
                                  (user * 7) % ((ITEMS - 16) / (ITEMS_OF_A_USER - 16)));
}

static void make_graph(rk_graph *graph)
{
    int64_t *offsets = NULL;
    int32_t *items = NULL;
    assert_ok(rk__alloc(&offsets, USERS + 1, sizeof *offsets, "offsets"));
    assert_ok(rk__alloc(&items, (int64_t)USERS * ITEMS_OF_A_USER, sizeof *items, "items"));
    for (int64_t u = 0; u <= USERS; u++) {
        offsets[u] = u * ITEMS_OF_A_USER;
    }
    for (int64_t e = 0; e < (int64_t)USERS * ITEMS_OF_A_USER; e++) {
        items[e] = item_of(e / ITEMS_OF_A_USER, e % ITEMS_OF_A_USER);
    }
    assert_ok(rk__graph_build_lists(graph, offsets, items, USERS, ITEMS));
    assert_true(2 * graph->n_edges * COLS > (int64_t)INT32_MAX);
    rk__free(offsets);
    rk__free(items);
}

/* What stands in row n, column j of the table that is propagated: positive, so that sums lose
 * nothing to cancellation. */
static float element(int64_t n, int64_t j)
{
    return (float)(1 + (n * 31 + j * 17) % 101) / 128.0f;
}

static double expected_at(const rk_graph *g, int64_t row, int64_t column)
{
    double sum = 0;
    for (int64_t e = g->offsets[row]; e < g->offsets[row + 1]; e++) {
        int64_t n = g->columns[e];
        sum += (double)g->scale[n] * (double)element(n, column);
    }
    return sum * (double)g->scale[row];
}

static void check_rows(rk_device_context *context, const rk_graph *g, int32_t stored)
{
    float row[COLS];
    for (int64_t i = 0; i < 4000; i++) {
        /* the popular items, the last rows, and rows in between */
        int64_t n = i < 32   ? USERS + i
                    : i < 64 ? g->n_nodes - 1 - (i - 32)
                             : (i * 7919) % g->n_nodes;
        assert_ok(device->read(context, stored, n, 1, row));
        for (int64_t j = 0; j < COLS; j += 21) {
            assert_close((double)row[j], expected_at(g, n, j), 2e-4, 1e-3); /* 180,000 summands */
        }
    }
}

static void edges_times_columns_beyond_31_bits(void **unused)
{
    (void)unused;
    rk_graph g = {0};
    rk_store store = {0};
    rk_program program;
    rk_device_context *context = NULL;
    rk_loaded *loaded = NULL;
    rk_device_options options = {0};
    int32_t offsets, columns, scale, table, result;
    float *host = NULL;
    assert_ok(device->open(&options, &context));
    if (!fits(context, 1.5e9)) {
        device->close(context);
        skip();
    }
    make_graph(&g);
    assert_ok(rk__store_add(&store, "offsets", RK_I64, g.n_nodes + 1, 1, g.offsets, &offsets));
    assert_ok(rk__store_add(&store, "columns", RK_I32, 2 * g.n_edges, 1, g.columns, &columns));
    assert_ok(rk__store_add(&store, "scale", RK_F32, g.n_nodes, 1, g.scale, &scale));
    assert_ok(rk__store_add(&store, "table", RK_F32, g.n_nodes, COLS, NULL, &table));
    assert_ok(rk__store_add(&store, "result", RK_F32, g.n_nodes, COLS, NULL, &result));
    rk__program_init(&program, &store, "large");
    rk_graph_values graph = {rk__use(&program, offsets), rk__use(&program, columns),
                             rk__use(&program, scale)};
    rk__assign(&program, result, rk__propagate(&program, graph, rk__use(&program, table), 1));
    assert_ok(rk__program_verify(&program));
    assert_ok(rk__program_plan(&program));
    assert_ok(device->bind(context, &store));
    assert_ok(device->load(context, &program, &loaded));
    assert_ok(rk__alloc(&host, g.n_nodes * COLS, sizeof *host, "a table"));
    for (int64_t i = 0; i < g.n_nodes * COLS; i++) {
        host[i] = element(i / COLS, i % COLS);
    }
    assert_ok(device->write(context, table, 0, g.n_nodes, host));
    assert_ok(device->run(context, loaded, 1));
    assert_ok(device->sync(context));
    check_rows(context, &g, result);
    rk__free(host);
    device->close(context);
    rk__program_free(&program);
    rk__store_free(&store);
    rk__graph_free(&g);
}

/* ---- a large table ---- */

static void a_table_beyond_31_bits(void **unused)
{
    (void)unused;
    rk_store store = {0};
    rk_program program;
    rk_device_context *context = NULL;
    rk_loaded *loaded = NULL;
    rk_device_options options = {0};
    int32_t table, result;
    const int64_t n = NODES_OF_THE_TABLE;
    if (device == &rk__device_cpu && !getenv("LARGE_TABLE")) {
        printf("left out: it fills 17 GB of the host's memory, set LARGE_TABLE=1\n");
        skip();
    }
    assert_ok(device->open(&options, &context));
    if (!fits(context, 2.0 * (double)n * COLS * sizeof(float))) {
        device->close(context);
        skip();
    }
    assert_ok(rk__store_add(&store, "table", RK_F32, n, COLS, NULL, &table));
    assert_ok(rk__store_add(&store, "result", RK_F32, n, COLS, NULL, &result));
    rk__program_init(&program, &store, "large");
    rk_value x = rk__use(&program, table), both[] = {x, x};
    rk__assign(&program, result, rk__combine(&program, both, (float[]){2, 1}, 2));
    assert_ok(rk__program_verify(&program));
    assert_ok(rk__program_plan(&program));
    assert_ok(device->bind(context, &store));
    assert_ok(device->load(context, &program, &loaded));
    const int64_t probes[] = {0, n / 2, (1LL << 31) / COLS - 1, (1LL << 31) / COLS, n - 1};
    float in[COLS], out[COLS];
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        for (int64_t j = 0; j < COLS; j++) {
            in[j] = (float)(100 * (int64_t)i + j);
        }
        assert_ok(device->write(context, table, probes[i], 1, in));
    }
    assert_ok(device->run(context, loaded, 1));
    assert_ok(device->sync(context));
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        assert_ok(device->read(context, result, probes[i], 1, out));
        for (int64_t j = 0; j < COLS; j++) {
            assert_true(out[j] == 3 * (float)(100 * (int64_t)i + j));
        }
    }
    if (device->init) { /* drawn there, the last block of rows alone */
        rk_device_init how = {.kind = RK_INIT_XAVIER, .number = 1, .seed = 7, .scale = 1};
        how.first_row = n - 3;
        how.end_row = n;
        assert_ok(device->init(context, table, &how));
        assert_ok(device->read(context, table, n - 1, 1, out));
        for (int64_t j = 0; j < COLS; j++) {
            assert_true(out[j] != 0 && fabsf(out[j]) <= 1);
        }
    }
    device->close(context);
    rk__program_free(&program);
    rk__store_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_times_columns_beyond_31_bits),
        cmocka_unit_test(a_table_beyond_31_bits),
    };
    const char *reason = NULL, *name = getenv("LARGE_DEVICE");
    int choice = name && strcmp(name, "cpu") == 0 ? RK_DEVICE_CPU : RK_DEVICE_CUDA;
    if (rk__device_choose(choice, 0, &device, &reason) != RK_OK) {
        printf("skipped: %s\n", rk_last_error());
        return 77;
    }
    return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
