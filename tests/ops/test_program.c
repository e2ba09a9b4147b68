/*
 * Programs without a device: what the builder refuses, the shape of the backward pass, what verify
 * catches, and that a plan never lets two living tensors share a byte.
 */
#include "base/alloc.h"
#include "base/choices.h"
#include "ops/builder.h"
#include "ops/lanes.h"
#include "ops/traffic.h"
#include "support/support.h"

enum { N_USERS = 40, N_ITEMS = 60, N = N_USERS + N_ITEMS, EDGES = 300, B = 16, DIM = 8 };

typedef struct fixture {
    rk_store store;
    rk_program program;
    int32_t offsets, columns, scale, nodes, state, sums, table, gradient, m, v;
    rk_graph_values graph;
} fixture;

static void make_fixture(fixture *f)
{
    *f = (fixture){0};
    assert_ok(rk__store_add(&f->store, "graph.offsets", RK_I64, N + 1, 1, NULL, &f->offsets));
    assert_ok(rk__store_add(&f->store, "graph.columns", RK_I32, 2 * EDGES, 1, NULL, &f->columns));
    assert_ok(rk__store_add(&f->store, "graph.scale", RK_F32, N, 1, NULL, &f->scale));
    assert_ok(rk__store_add(&f->store, "nodes", RK_I32, 3 * B, 1, NULL, &f->nodes));
    assert_ok(rk__store_add(&f->store, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(&f->store, "loss_sums", RK_F64, 3, 1, NULL, &f->sums));
    assert_ok(rk__store_add(&f->store, "embedding", RK_F32, N, DIM, NULL, &f->table));
    assert_ok(rk__store_add(&f->store, "gradient", RK_F32, N, DIM, NULL, &f->gradient));
    assert_ok(rk__store_add(&f->store, "embedding.m", RK_F32, N, DIM, NULL, &f->m));
    assert_ok(rk__store_add(&f->store, "embedding.v", RK_F32, N, DIM, NULL, &f->v));
}

/* LightGCN of some layers with both losses, its backward pass and Adam. */
static void build_training(fixture *f, int layers)
{
    rk_program *p = &f->program;
    rk__program_init(p, &f->store, "train");
    f->graph =
        (rk_graph_values){rk__use(p, f->offsets), rk__use(p, f->columns), rk__use(p, f->scale)};
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f->nodes), N);
    rk_value tables[RK_MAX_LAYERS] = {rk__use(p, f->table)};
    float weights[RK_MAX_LAYERS], share = 1.0f / (float)(layers + 1), one = 1;
    for (int k = 0; k <= layers; k++) {
        weights[k] = share;
    }
    for (int k = 1; k < layers; k++) {
        tables[k] = rk__propagate(p, f->graph, tables[k - 1], 1);
    }
    rk_value final = rk__combine_rows(p, tables, weights, layers ? layers : 1, rows);
    if (layers > 0) {
        rk_value last = rk__propagate_rows(p, f->graph, tables[layers - 1], rows, 1);
        final = rk__add(p, final, last, 1, share);
    }
    rk_value ego = rk__combine_rows(p, tables, &one, 1, rows), state = rk__use(p, f->state);
    rk__slot_loss(p, final, rows, (rk_slot_inputs){state, RK_NONE, RK_NONE, RK_NONE}, false,
                  (rk_slot_attr){.batch = B, .rule = {.kind = RK_LOSS_BPR}});
    rk__l2_loss(p, ego, rows, RK_NONE, state, (rk_l2_attr){.weight = 1e-4, .batch = B});
    rk_value gradient = RK_NONE;
    assert_ok(rk__program_backward(p, &f->table, 1, &gradient));
    rk__adam(p, tables[0], gradient, rk__use(p, f->m), rk__use(p, f->v), state,
             (rk_adam_attr){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8});
    rk__step_loss(p, state, rk__use(p, f->sums));
    rk__step_advance(p, state);
    assert_ok(p->status);
}

static void free_fixture(fixture *f)
{
    rk__program_free(&f->program);
    rk__store_free(&f->store);
}

static int count(const rk_program *p, rk_op op)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == op;
    }
    return n;
}

static int full_sums(const rk_program *p)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == RK_OP_COMBINE && p->tensors[p->nodes[i].out[0]].rows == N;
    }
    return n;
}

/* K layers cost K - 1 full propagations forward and K - 1 backward; the last forward layer and the
 * first backward layer touch the batch's rows only (design decision 7). */
static void backward_uses_the_frontier(void **unused)
{
    (void)unused;
    for (int layers = 0; layers <= 4; layers++) {
        fixture f;
        make_fixture(&f);
        build_training(&f, layers);
        assert_ok(rk__program_verify(&f.program));
        int full = layers > 1 ? 2 * (layers - 1) : 0;
        assert_int_equal(count(&f.program, RK_OP_PROPAGATE), full);
        assert_int_equal(count(&f.program, RK_OP_PROPAGATE_ROWS), layers > 0);
        assert_int_equal(count(&f.program, RK_OP_PROPAGATE_FROM_ROWS), layers > 0);
        assert_int_equal(full_sums(&f.program), 0); /* no full-table pass */
        free_fixture(&f);
    }
}

/* Brute force: owner of every byte of the arena, node by node. */
static void check_plan(const rk_program *p)
{
    int32_t *owner = malloc((size_t)p->arena_bytes * sizeof *owner);
    int32_t *last_use = calloc((size_t)p->n_tensors, sizeof *last_use);
    assert_non_null(owner);
    assert_non_null(last_use);
    memset(owner, 0xff, (size_t)p->arena_bytes * sizeof *owner);
    for (int32_t i = 0; i < p->n_nodes; i++) {
        for (int32_t j = 0; j < p->nodes[i].n_inputs; j++) {
            if (p->nodes[i].in[j] != RK_NONE) {
                last_use[p->nodes[i].in[j]] = i;
            }
        }
    }
    for (int32_t i = 0; i < p->n_nodes; i++) {
        for (int32_t j = 0; j < p->nodes[i].n_outputs; j++) {
            rk_value v = p->nodes[i].out[j];
            const rk_tensor *t = &p->tensors[v];
            if (t->stored >= 0) {
                continue;
            }
            assert_true(t->offset >= 0 && t->offset % 64 == 0);
            assert_true(t->offset + rk__tensor_bytes(t) <= p->arena_bytes);
            for (int64_t at = t->offset; at < t->offset + rk__tensor_bytes(t); at++) {
                int32_t before = owner[at];
                assert_true(before < 0 || last_use[before] < i || t->alias_of == before);
                owner[at] = v;
            }
        }
    }
    free(owner);
    free(last_use);
}

static void plan_never_overlaps(void **unused)
{
    (void)unused;
    for (int layers = 0; layers <= 4; layers++) {
        fixture f;
        make_fixture(&f);
        build_training(&f, layers);
        assert_ok(rk__program_plan(&f.program));
        check_plan(&f.program);
        free_fixture(&f);
    }
}

/* ---- lanes ---- */

/* The bytes of a tensor: of the arena, or of a stored one, which have a range of their own. */
static int64_t first_byte(const rk_tensor *t)
{
    return t->stored >= 0 ? -((int64_t)t->stored + 1) * 1000000 : t->offset;
}

static bool share_bytes(const rk_program *p, rk_value a, rk_value b)
{
    const rk_tensor *x = &p->tensors[a], *y = &p->tensors[b];
    return first_byte(x) < first_byte(y) + rk__tensor_bytes(y) &&
           first_byte(y) < first_byte(x) + rk__tensor_bytes(x);
}

static bool writes(const rk_node *node, int i)
{
    return i >= node->n_inputs || rk__op_info(node->op)->updates >> i & 1;
}

static rk_value used(const rk_node *node, int i)
{
    return i < node->n_inputs ? node->in[i] : node->out[i - node->n_inputs];
}

/* Do the nodes, by the memory that the plan gave them, get into each other's way? */
static bool collide(const rk_program *p, const rk_node *a, const rk_node *b)
{
    for (int i = 0; i < a->n_inputs + a->n_outputs; i++) {
        for (int j = 0; j < b->n_inputs + b->n_outputs; j++) {
            rk_value x = used(a, i), y = used(b, j);
            if (x != RK_NONE && y != RK_NONE && (writes(a, i) || writes(b, j)) &&
                share_bytes(p, x, y)) {
                return true;
            }
        }
    }
    return false;
}

/* What is complete when node i starts, by nothing but the order in lanes and the waits. */
static void mark_complete(const rk_program *p, const rk_lane_order *orders, int32_t i, bool *is)
{
    if (orders[i].waits >= 0 && !is[orders[i].waits]) {
        is[orders[i].waits] = true;
        mark_complete(p, orders, orders[i].waits, is);
    }
    for (int32_t j = i - 1; j >= 0; j--) {
        if (p->nodes[j].lane == p->nodes[i].lane) {
            if (!is[j]) {
                is[j] = true;
                mark_complete(p, orders, j, is);
            }
            return;
        }
    }
}

/* Nodes that may run at once do not share a byte that one of them writes. */
static void lanes_never_collide(void **unused)
{
    (void)unused;
    for (int layers = 0; layers <= 4; layers++) {
        fixture f;
        rk_lane_order *orders = NULL;
        int n_waits = 0, n_free = 0;
        make_fixture(&f);
        build_training(&f, layers);
        const rk_program *p = &f.program;
        assert_ok(rk__program_fork(&f.program));
        assert_int_equal(p->n_lanes, layers > 1 ? 2 : p->n_lanes);
        assert_ok(rk__program_verify(p));
        assert_ok(rk__program_plan(&f.program));
        check_plan(p);
        assert_ok(rk__program_lane_order(p, &orders));
        for (int32_t i = 0; i < p->n_nodes; i++) {
            bool *is_complete = calloc((size_t)p->n_nodes, sizeof *is_complete);
            assert_non_null(is_complete);
            mark_complete(p, orders, i, is_complete);
            for (int32_t j = 0; j < i; j++) {
                assert_true(is_complete[j] || !collide(p, &p->nodes[i], &p->nodes[j]));
                n_free += !is_complete[j];
                assert_int_equal(is_complete[j], j <= orders[i].before[p->nodes[j].lane]);
            }
            n_waits += orders[i].waits >= 0;
            free(is_complete);
        }
        assert_int_equal(n_waits > 0, p->n_lanes > 1);
        assert_int_equal(n_free > 0, p->n_lanes > 1);
        rk__free(orders);
        free_fixture(&f);
    }
}

/* Drawing and the L2 term are beside the first propagations; libraries stay in the first lane. */
static void what_needs_no_propagation_has_a_lane(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    build_training(&f, 3);
    assert_ok(rk__program_fork(&f.program));
    int32_t of_rows = -1, of_propagation = -1, of_l2 = -1;
    for (int32_t i = 0; i < f.program.n_nodes; i++) {
        const rk_node *node = &f.program.nodes[i];
        of_rows = node->op == RK_OP_UNIQUE_ROWS ? node->lane : of_rows;
        of_l2 = node->op == RK_OP_L2_LOSS ? node->lane : of_l2;
        of_propagation =
            of_propagation < 0 && node->op == RK_OP_PROPAGATE ? node->lane : of_propagation;
    }
    assert_true(of_rows >= 0 && of_rows == of_l2 && of_rows != of_propagation);
    free_fixture(&f);
}

/* Three layers need two full tables at a time, forward and backward; the rest is the batch's. */
static void plan_reuses_memory(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    build_training(&f, 3);
    assert_ok(rk__program_plan(&f.program));
    int64_t table = (int64_t)N * DIM * 4, batch_rows = (int64_t)3 * B * DIM * 4;
    assert_true(f.program.arena_bytes < 2 * table + 8 * batch_rows);
    free_fixture(&f);
}

static void builder_refuses_bad_shapes(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    rk__program_init(p, &f.store, "bad");
    rk_value table = rk__use(p, f.table), scale = rk__use(p, f.scale);
    assert_int_equal(rk__add(p, table, scale, 1, 1), RK_NONE);
    assert_int_equal(p->status, RK_ERR_INTERNAL);
    assert_non_null(strstr(rk_last_error(), "combine: "));
    /* The failure sticks: later calls do nothing and verify reports it. */
    assert_int_equal(rk__add(p, table, table, 1, 1), RK_NONE);
    assert_int_equal(p->n_nodes, 0);
    assert_int_equal(rk__program_verify(p), RK_ERR_INTERNAL);
    free_fixture(&f);
}

/* Devices cut the rows of a drawn graph by a stored one, and only as a whole. */
static void builder_refuses_draws_from_draws(void **unused)
{
    (void)unused;
    for (int fold = 0; fold < 2; fold++) {
        fixture f;
        make_fixture(&f);
        rk_program *p = &f.program;
        rk__program_init(p, &f.store, "bad");
        f.graph =
            (rk_graph_values){rk__use(p, f.offsets), rk__use(p, f.columns), rk__use(p, f.scale)};
        rk_value state = rk__use(p, f.state);
        rk_drop_attr attr = {.ratio = 0.25};
        rk_graph_values drawn = rk__drop_edges(p, f.graph, state, attr);
        assert_ok(p->status);
        if (fold) {
            rk__fold(p, drawn, rk__use(p, f.table), (rk_fold_attr){.first = 0, .n = N_USERS});
        } else {
            assert_int_equal(rk__drop_edges(p, drawn, state, attr).offsets, RK_NONE);
        }
        assert_fails(RK_ERR_INTERNAL, "stored >= 0", p->status);
        free_fixture(&f);
    }
}

static void verify_catches_faults(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    build_training(&f, 2);
    rk_program *p = &f.program;
    rk_node first = p->nodes[0];
    p->nodes[0] = p->nodes[2]; /* combine_rows, which reads the row set */
    p->nodes[2] = first;
    assert_fails(RK_ERR_INTERNAL, "read before it is written", rk__program_verify(p));
    free_fixture(&f);

    make_fixture(&f);
    build_training(&f, 2);
    rk__sgd(&f.program, rk__use(&f.program, f.table), rk__use(&f.program, f.gradient),
            rk__use(&f.program, f.state), 0);
    assert_fails(RK_ERR_INTERNAL, "updated twice", rk__program_verify(&f.program));
    free_fixture(&f);

    make_fixture(&f);
    p = &f.program;
    rk__program_init(p, &f.store, "in place");
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f.nodes), N);
    float one = 1;
    rk_value table = rk__use(p, f.table), x = rk__combine_rows(p, &table, &one, 1, rows);
    rk_value full = rk__scatter_rows(p, x, rows, 1);
    rk_value sum = rk__scatter_add_rows(p, full, x, rows, 1);
    rk__assign(p, f.gradient, rk__add(p, sum, full, 1, 1));
    assert_fails(RK_ERR_INTERNAL, "overwritten in place", rk__program_verify(p));
    free_fixture(&f);
}

static void a_parameter_without_a_loss_is_an_error(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    rk__program_init(&f.program, &f.store, "no loss");
    rk_value gradient = RK_NONE;
    assert_fails(RK_ERR_INTERNAL, "no loss depends on the parameter embedding",
                 rk__program_backward(&f.program, &f.table, 1, &gradient));
    free_fixture(&f);
}

static void printing_names_every_node(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    build_training(&f, 3);
    assert_ok(rk__program_plan(&f.program));
    char *text = NULL;
    assert_ok(rk__program_print(&f.program, NULL, &text));
    assert_non_null(strstr(text, "unique_rows"));
    assert_non_null(strstr(text, "propagate_from_rows"));
    assert_non_null(strstr(text, "embedding f32 [100, 8]"));
    const char *table = strstr(text, "  #  operation");
    assert_non_null(table);
    int lines = 0;
    for (const char *c = table; *c; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, f.program.n_nodes + 1);
    rk__free(text);
    free_fixture(&f);
}

/* Counted by hand: rows of 32 bytes, 100 nodes, 600 edges in both directions; of a batch 30 nodes
 * with 100 edges, in tensors of 48 rows. */
static void the_work_of_a_step_is_counted(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    build_training(&f, 3);
    rk_traffic work[RK_OP_COUNT];
    rk_batch_facts batch = {.rows = 30, .edges = 100};
    rk__program_traffic(&f.program, &batch, work);
    const double full = 600 * (32 + 4) + 100 * 32;
    assert_true(work[RK_OP_PROPAGATE].bytes == 4 * full); /* two layers there, two back */
    assert_true(work[RK_OP_PROPAGATE].flops == 4 * 2 * 600 * 8);
    assert_int_equal(work[RK_OP_PROPAGATE].gathers, 4);
    assert_true(work[RK_OP_PROPAGATE_ROWS].bytes == 100 * (32 + 4) + 30 * 32);
    assert_true(work[RK_OP_PROPAGATE_FROM_ROWS].bytes == 100 * 32 + 600 * 4 + 100 * 32);
    assert_true(work[RK_OP_COMBINE_ROWS].bytes == 30 * 32 * ((3 + 1) + (1 + 1)));
    assert_true(work[RK_OP_COMBINE].bytes == 3 * 30 * 32);
    assert_true(work[RK_OP_COMBINE].flops == 2 * 30 * 8);
    assert_int_equal(work[RK_OP_COMBINE].gathers, 0);
    assert_true(work[RK_OP_ADAM].bytes == 7 * 100 * 32);
    assert_true(work[RK_OP_SCORE_TOPK].bytes == 0);
    free_fixture(&f);
}

/* The same step in one pass over each gradient, in floats and in halves (a row of 8: 16 bytes). */
static void the_work_of_joined_passes_is_counted(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    build_training(&f, 3);
    rk_traffic work[RK_OP_COUNT];
    rk_batch_facts batch = {.rows = 30, .edges = 100};
    assert_ok(rk__program_fuse(&f.program));
    rk__program_traffic(&f.program, &batch, work);
    const double added = 30 * 32, update = 6 * 100 * 32;
    assert_true(work[RK_OP_PROPAGATE].bytes == 3 * (600 * (32 + 4) + 100 * 32) + added);
    assert_true(work[RK_OP_PROPAGATE_FROM_ROWS].bytes == 100 * 32 + 600 * 4 + 100 * 32 + added);
    assert_true(work[RK_OP_PROPAGATE_ADAM].bytes == 600 * (32 + 4) + 2 * added + update);
    assert_true(work[RK_OP_PROPAGATE_ADAM].flops == 2 * 600 * 8 + 2 * 2 * 30 * 8 + 12 * 100 * 8);
    assert_true(work[RK_OP_ADAM].bytes == 0);
    assert_ok(rk__program_narrow(&f.program));
    rk__program_traffic(&f.program, &batch, work);
    assert_true(work[RK_OP_PROPAGATE].bytes == 3 * (600 * (16 + 4) + 100 * 16) + added);
    assert_true(work[RK_OP_PROPAGATE_ADAM].bytes == 600 * (16 + 4) + 2 * added + update);
    assert_true(work[RK_OP_PROPAGATE_ROWS].bytes == 100 * (16 + 4) + 30 * 32);
    assert_true(work[RK_OP_COMBINE_ROWS].bytes == 30 * (32 + 2 * 16 + 32) + 30 * 2 * 32);
    free_fixture(&f);
}

/* What is left of the edges goes into it, where the graph is drawn. */
static void the_work_over_a_drawn_graph_is_counted(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    rk__program_init(p, &f.store, "drawn");
    f.graph = (rk_graph_values){rk__use(p, f.offsets), rk__use(p, f.columns), rk__use(p, f.scale)};
    rk_graph_values drawn =
        rk__drop_edges(p, f.graph, rk__use(p, f.state), (rk_drop_attr){.ratio = 0.25});
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f.nodes), N);
    rk_value whole = rk__propagate(p, f.graph, rk__use(p, f.table), 1);
    rk__propagate_rows(p, drawn, rk__propagate(p, drawn, whole, 1), rows, 1);
    assert_ok(p->status);
    rk_traffic work[RK_OP_COUNT];
    rk__program_traffic(p, &(rk_batch_facts){.rows = 30, .edges = 100}, work);
    assert_true(work[RK_OP_PROPAGATE].bytes == (600 + 450) * (32 + 4) + 2 * 100 * 32);
    assert_true(work[RK_OP_PROPAGATE_ROWS].bytes == 75 * (32 + 4) + 30 * 32);
    assert_true(work[RK_OP_DROP_EDGES].bytes ==
                2 * (101 * 8 + 600 * 4) + 100 * 4 + sizeof(rk_step_state));
    free_fixture(&f);
}

/* Every allocation of building and planning fails once; nothing leaks, nothing crashes. */
static void out_of_memory_is_reported(void **unused)
{
    (void)unused;
    bool succeeded = false;
    for (int64_t n = 0; n < 200 && !succeeded; n++) {
        fixture f = {0};
        rk_program *p = &f.program;
        rk__alloc_fail_after(n);
        rk_status status = rk__store_add(&f.store, "embedding", RK_F32, N, DIM, NULL, &f.table);
        if (status == RK_OK) {
            rk__program_init(p, &f.store, "oom");
            rk_value table = rk__use(p, f.table);
            rk_value sum = rk__add(p, table, table, 1, 1);
            for (int i = 0; i < 100; i++) {
                sum = rk__add(p, sum, table, 1, 1);
            }
            status = rk__program_verify(p);
            status = status == RK_OK ? rk__program_plan(p) : status;
        }
        rk__alloc_fail_after(-1);
        succeeded = status == RK_OK;
        assert_true(succeeded || status == RK_ERR_MEMORY);
        free_fixture(&f);
    }
    assert_true(succeeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backward_uses_the_frontier),
        cmocka_unit_test(plan_never_overlaps),
        cmocka_unit_test(lanes_never_collide),
        cmocka_unit_test(what_needs_no_propagation_has_a_lane),
        cmocka_unit_test(plan_reuses_memory),
        cmocka_unit_test(builder_refuses_bad_shapes),
        cmocka_unit_test(builder_refuses_draws_from_draws),
        cmocka_unit_test(verify_catches_faults),
        cmocka_unit_test(a_parameter_without_a_loss_is_an_error),
        cmocka_unit_test(printing_names_every_node),
        cmocka_unit_test(the_work_of_a_step_is_counted),
        cmocka_unit_test(the_work_of_joined_passes_is_counted),
        cmocka_unit_test(the_work_over_a_drawn_graph_is_counted),
        cmocka_unit_test(out_of_memory_is_reported),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
