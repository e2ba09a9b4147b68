/* Blocks of edges against plain searches in the list that they are made of. */
#include <math.h>

#include "base/alloc.h"
#include "graph/block.h"
#include "support/support.h"

enum { ROWS = 7, COLUMNS = 5, TYPES = 3, EDGES = 60 };

static int32_t rows[EDGES], columns[EDGES], types[EDGES];
static float weights[EDGES];

static rk_block_edges make_edges(bool typed)
{
    for (int e = 0; e < EDGES; e++) {
        rows[e] = e * 11 % 6 == 2 ? 0 : e * 11 % 6; /* none in rows 2 and 6 */
        columns[e] = e * 7 % 4;                     /* none in column 4 */
        types[e] = e * e % TYPES;
        weights[e] = 1 + 0.25f * (float)(e % 9);
    }
    return (rk_block_edges){ROWS, COLUMNS, EDGES,   typed ? TYPES : 0,
                            rows, columns, weights, typed ? types : NULL};
}

/* Is a before b in a row, or in a column of the transpose? */
static bool ascend(const int32_t *type, int64_t a, int64_t b, int32_t of_a, int32_t of_b)
{
    const int32_t type_a = type ? type[a] : 0, type_b = type ? type[b] : 0;
    return type_a < type_b || (type_a == type_b && of_a <= of_b);
}

static int64_t row_of(const rk_block *b, int64_t e)
{
    int64_t row = 0;
    while (b->offsets[row + 1] <= e) {
        row++;
    }
    return row;
}

/* Both orders ascend, and the transpose names every edge once, with its row. */
static void check_order(const rk_block *b)
{
    const int64_t *back = b->back_offsets ? b->back_offsets : b->offsets;
    const int32_t *from = b->back_columns ? b->back_columns : b->columns;
    bool *seen = calloc((size_t)b->n_edges + 1, sizeof *seen);
    assert_non_null(seen);
    assert_int_equal(b->offsets[0], 0);
    assert_int_equal(b->offsets[b->n_rows], b->n_edges);
    assert_int_equal(back[b->n_columns], b->n_edges);
    for (int64_t v = 0; v < b->n_rows; v++) {
        for (int64_t e = b->offsets[v] + 1; e < b->offsets[v + 1]; e++) {
            assert_true(ascend(b->types, e - 1, e, b->columns[e - 1], b->columns[e]));
        }
    }
    for (int64_t u = 0; u < b->n_columns; u++) {
        for (int64_t k = back[u]; k < back[u + 1]; k++) {
            const int64_t e = b->back_edges[k];
            assert_false(seen[e]);
            seen[e] = true;
            assert_int_equal(b->columns[e], u);
            assert_int_equal(row_of(b, e), from[k]);
            assert_true(k == back[u] ||
                        ascend(b->types, b->back_edges[k - 1], e, from[k - 1], from[k]));
        }
    }
    free(seen);
}

/* What edges of one row, column and type weigh together; type < 0: of any. */
static double sum_of_list(int row, int column, int type)
{
    double sum = 0;
    for (int e = 0; e < EDGES; e++) {
        sum += (row < 0 || rows[e] == row) && (column < 0 || columns[e] == column) &&
                       (type < 0 || types[e] == type)
                   ? (double)weights[e]
                   : 0;
    }
    return sum;
}

static double sum_of_block(const rk_block *b, int64_t row, int column, int type)
{
    double sum = 0;
    for (int64_t e = b->offsets[row]; e < b->offsets[row + 1]; e++) {
        sum += b->columns[e] == column && (type < 0 || b->types[e] == type) ? (double)b->weights[e]
                                                                            : 0;
    }
    return sum;
}

static void blocks_hold_their_edges(void **state)
{
    (void)state;
    for (int typed = 0; typed < 2; typed++) {
        rk_block b = {0};
        const rk_block_edges edges = make_edges(typed);
        assert_ok(rk__block_build(&b, &edges));
        check_order(&b);
        assert_int_equal(b.n_types, typed ? TYPES : 0);
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                for (int type = -1; type < (typed ? TYPES : 0); type++) {
                    assert_close(sum_of_block(&b, row, column, type),
                                 sum_of_list(row, column, type), 1e-6, 1);
                }
            }
        }
        rk__block_free(&b);
    }
}

static bool has_loops; /* the last type is in no direction */

static int direction(int type)
{
    return has_loops && type == TYPES - 1 ? -1 : type % 2;
}

/* w / sqrt(row * column) or w / row, each sum over all edges, the type's, or its direction's. */
static double normalised(int row, int column, int type, rk_block_norm norm, rk_block_scope scope)
{
    double of_row = 0, of_column = 0;
    for (int t = 0; t < TYPES; t++) {
        if (scope == RK_BLOCK_OF_ALL ||
            (scope == RK_BLOCK_OF_TYPE ? t == type : direction(t) == direction(type))) {
            of_row += sum_of_list(row, -1, t);
            of_column += sum_of_list(-1, column, t);
        }
    }
    const double sum = sum_of_list(row, column, type);
    return sum == 0 ? 0 : norm == RK_BLOCK_MEAN ? sum / of_row : sum / sqrt(of_row * of_column);
}

static void weights_are_normalised(void **state)
{
    (void)state;
    for (int norm = RK_BLOCK_SYMMETRIC; norm <= RK_BLOCK_MEAN; norm++) { /* 3 scopes: both */
        for (int scope = RK_BLOCK_OF_ALL; scope <= RK_BLOCK_OF_DIRECTION; scope++) {
            has_loops = !has_loops;
            rk_block b = {0};
            const rk_block_edges edges = make_edges(true);
            assert_ok(rk__block_build(&b, &edges));
            b.has_loops = has_loops;
            assert_ok(rk__block_normalise(&b, (rk_block_norm)norm, (rk_block_scope)scope));
            for (int cell = 0; cell < ROWS * COLUMNS * TYPES; cell++) {
                const int row = cell / (COLUMNS * TYPES), column = cell / TYPES % COLUMNS;
                assert_close(sum_of_block(&b, row, column, cell % TYPES),
                             normalised(row, column, cell % TYPES, (rk_block_norm)norm,
                                        (rk_block_scope)scope),
                             1e-5, 1e-3);
            }
            rk__block_free(&b);
        }
    }
}

/* The graph's own edge numbers; normalised, its edges are scale * scale. */
static void interactions_keep_their_numbers(void **state)
{
    (void)state;
    static const int32_t users[] = {0, 3, 1, 0, 3, 3, 1}, items[] = {2, 0, 2, 0, 2, 1, 3};
    rk_graph g = {0};
    rk_block b = {0};
    assert_ok(rk__graph_build(&g, users, items, 7, 5, 6));
    assert_ok(rk__block_of_interactions(&b, &g));
    check_order(&b);
    assert_int_equal(b.n_rows, 11);
    assert_int_equal(b.n_columns, 11);
    assert_memory_equal(b.offsets, g.offsets, 12 * sizeof *g.offsets);
    assert_memory_equal(b.columns, g.columns, 14 * sizeof *g.columns);
    assert_ok(rk__block_normalise(&b, RK_BLOCK_SYMMETRIC, RK_BLOCK_OF_ALL));
    for (int64_t e = 0; e < 14; e++) {
        assert_close((double)b.weights[e],
                     (double)g.scale[row_of(&b, e)] * (double)g.scale[b.columns[e]], 1e-6, 1);
    }
    rk__block_free(&b);
    rk__graph_free(&g);
}

static void edges_outside_are_refused(void **state)
{
    (void)state;
    rk_block b = {0};
    rk_block_edges edges = make_edges(true);
    rows[17] = ROWS;
    assert_fails(RK_ERR_DATA, "edge 17 (row 7,", rk__block_build(&b, &edges));
    edges = make_edges(true);
    columns[3] = -1;
    assert_fails(RK_ERR_DATA, "edge 3 (row", rk__block_build(&b, &edges));
    edges = make_edges(true);
    types[EDGES - 1] = TYPES;
    assert_fails(RK_ERR_DATA, "and 3 types", rk__block_build(&b, &edges));
    assert_null(b.offsets);
}

static void without_edges(void **state)
{
    (void)state;
    rk_block b = {0};
    const rk_block_edges edges = {.n_rows = 2, .n_columns = 0};
    assert_ok(rk__block_build(&b, &edges));
    check_order(&b);
    rk__block_free(&b);
}

static rk_status make_all(rk_block *b)
{
    const rk_block_edges edges = make_edges(true);
    RK_TRY(rk__block_build(b, &edges));
    return rk__block_normalise(b, RK_BLOCK_SYMMETRIC, RK_BLOCK_OF_TYPE);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const int32_t user[] = {0}, item[] = {0};
    rk_graph g = {0};
    rk_status status = RK_ERR_MEMORY;
    assert_ok(rk__graph_build(&g, user, item, 1, 1, 1));
    for (int64_t n = 0; status != RK_OK; n++) {
        rk_block b = {0}, of_graph = {0};
        rk__alloc_fail_after(n);
        status = make_all(&b);
        status = status == RK_OK ? rk__block_of_interactions(&of_graph, &g) : status;
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        rk__block_free(&b);
        rk__block_free(&of_graph);
    }
    rk__graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hold_their_edges),
        cmocka_unit_test(weights_are_normalised),
        cmocka_unit_test(interactions_keep_their_numbers),
        cmocka_unit_test(edges_outside_are_refused),
        cmocka_unit_test(without_edges),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
