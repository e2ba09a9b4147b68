/*
 * Attention over edges and normalised columns in a program with a loss: the gradients by all that
 * they read, against central differences, where all rows are computed and where those of a batch
 * are.
 */
#include "support/quotients.h"

enum { N = 12, B = 4, M = 2, TRIPLETS = 3, SLOTS = (2 + M) * B };
enum { HEADS = 2, D = 3, WIDTH = HEADS * D, INPUT = 4, MOST_EDGES = N * N };
enum { TABLE, MIXER, TO, FROM, GAIN, SHIFT, OTHER, N_PARAMETERS };

static const quotients_parameter parameters[N_PARAMETERS] = {
    {"table", N, INPUT}, {"mixer", INPUT, WIDTH}, {"to", WIDTH, HEADS}, {"from", N, HEADS},
    {"gain", 1, WIDTH},  {"shift", 1, WIDTH},     {"other", N, WIDTH}};

static const int32_t nodes[SLOTS] = {1, 3, 1, -1, 6, 7, 6, -1, 8, 7, 9, 11, 6, 9, -1, -1};

static const quotients_world world = {nodes, SLOTS, N, B, TRIPLETS, 1.4f};

typedef struct fixture {
    quotients q;
    int64_t offsets[N + 1], back_offsets[N + 1];
    int32_t columns[MOST_EDGES], back_columns[MOST_EDGES], back_edges[MOST_EDGES];
    int32_t block[5];
} fixture;

/* Edges of one direction only, a row without any, and two edges more of a node to itself. */
static bool is_edge(int v, int u)
{
    return v != 4 && ((v * 5 + u * 3) % 7 < 2 || (v == u && v > 9));
}

static void add_block(fixture *f)
{
    int32_t n = 0, back = 0;
    for (int v = 0; v < N; v++) {
        for (int u = 0; u < N; u++) {
            f->columns[n] = (int32_t)u;
            n += is_edge(v, u);
        }
        f->offsets[v + 1] = n;
    }
    for (int u = 0; u < N; u++) {
        for (int v = 0; v < N; v++) {
            for (int64_t e = f->offsets[v]; e < f->offsets[v + 1]; e++) {
                if (f->columns[e] == u) {
                    f->back_columns[back] = (int32_t)v;
                    f->back_edges[back++] = (int32_t)e;
                }
            }
        }
        f->back_offsets[u + 1] = back;
    }
    rk_store *s = &f->q.store;
    assert_ok(rk__store_add(s, "offsets", RK_I64, N + 1, 1, f->offsets, &f->block[0]));
    assert_ok(rk__store_add(s, "columns", RK_I32, n, 1, f->columns, &f->block[1]));
    assert_ok(rk__store_add(s, "back_offsets", RK_I64, N + 1, 1, f->back_offsets, &f->block[2]));
    assert_ok(rk__store_add(s, "back_columns", RK_I32, n, 1, f->back_columns, &f->block[3]));
    assert_ok(rk__store_add(s, "back_edges", RK_I32, n, 1, f->back_edges, &f->block[4]));
}

/* A layer of attention, and the same columns normalised beside it. */
static rk_value nodes_of(fixture *f)
{
    rk_program *p = &f->q.program;
    const rk_block_values block = {
        rk__use(p, f->block[0]), rk__use(p, f->block[1]), RK_NONE, RK_NONE, rk__use(p, f->block[2]),
        rk__use(p, f->block[3]), rk__use(p, f->block[4])};
    const rk_edge_attend_attr attr = {.heads = HEADS, .slope = 0.3f, .dropout = 0.25, .layer = 2};
    rk_value v[N_PARAMETERS];
    for (int i = 0; i < N_PARAMETERS; i++) {
        v[i] = quotients_use(&f->q, i);
    }
    rk_value x = rk__gemm(p, v[TABLE], v[MIXER], RK_NONE);
    rk_value y = rk__edge_attend(p, block, rk__gemm(p, x, v[TO], RK_NONE), v[FROM], x, RK_NONE,
                                 quotients_state(&f->q), attr);
    return rk__add(p, rk__multiply(p, y, v[OTHER]), rk__normalise_columns(p, x, v[GAIN], v[SHIFT]),
                   1, 0.5f);
}

static void open_attention(fixture *f, bool restricts)
{
    rk_program *p = &f->q.program;
    quotients_open(&f->q, "attention", &world, parameters, N_PARAMETERS);
    add_block(f);
    rk_row_set rows = quotients_rows(&f->q);
    rk_value x = rk__gather_rows(p, nodes_of(f), rows);
    rk_value scores = rk__slot_scores(p, rk__gather_slots(p, x, rows, (rk_slots_attr){B, false}),
                                      rk__gather_slots(p, x, rows, (rk_slots_attr){B, true}));
    quotients_load(&f->q, scores,
                   (rk_slot_rule){.kind = RK_LOSS_BPR,
                                  .negative_weight = 1,
                                  .temperature = 1,
                                  .power = 1,
                                  .positive_weights = {1, 0},
                                  .negative_weights = {1, 0}},
                   restricts);
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        assert_true(node->op != RK_OP_EDGE_ATTEND || (node->in[10] != RK_NONE) == restricts);
    }
}

/* A kink of the leaky relu lies within a step of a few elements. */
static void gradients_of_attention(void **state)
{
    (void)state;
    for (int restricts = 0; restricts < 2; restricts++) {
        fixture f = {0};
        open_attention(&f, restricts);
        quotients_check(&f.q, 1.0 / 8);
        quotients_close(&f.q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_of_attention)};
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
