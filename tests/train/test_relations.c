/*
 * A model that no table knows, through the same engine, step and scorer as any other: nine
 * relations with a graph each, fourteen parameters, more readers of one table than a node has
 * inputs. Its gradients against difference quotients, its clipped updates against sums in double.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "models/models.h"
#include "score/scorer.h"
#include "support/support.h"
#include "train/step.h"

enum {
    N_USERS = 10,
    N_ITEMS = 8,
    N = N_USERS + N_ITEMS,
    DIM = 4,
    RELATIONS = 9,
    TABLES = 4,                  /* parameters 0 .. 3, [N, DIM] */
    SHARES = TABLES + RELATIONS, /* parameter 13, [1, RELATIONS]; before it one [1,2] each */
    PARAMETERS = TABLES + RELATIONS + 1, /* 14 */
    BATCH = 6,
    SEED = 9
};

typedef struct world {
    rk_options options;
    rk_graph graphs[RELATIONS]; /* the store borrows them */
    rk_engine engine;
    rk_step step;
    rk_lists train; /* one item each, so that everybody is somebody that the model knows */
    int64_t offsets[N_USERS + 1];
    int32_t items[N_USERS];
    rk_scorer *scorer;
    float values[PARAMETERS][N * DIM];
} world;

static uint32_t word(uint64_t index, uint32_t which)
{
    return rk__philox(SEED, RK_PURPOSE_SYNTH, which, index, 0).v[0];
}

/* ---- the model ---- */

/* layer r = a_r P_r x_0 + b_r x_0, final = sum_r softmax(shares)_r layer r + x_1 + 0.5 x_2 - x_3,
 * with the tables x_0 .. x_3, the pairs (a_r, b_r) and the shares as parameters. */
static rk_status declare(rk_model_instance *m)
{
    for (int i = 0; i < PARAMETERS; i++) {
        bool is_table = i < TABLES;
        rk_parameter p = {.rows = is_table ? N : 1,
                          .cols = is_table     ? DIM
                                  : i < SHARES ? 2
                                               : RELATIONS,
                          .init = RK_INIT_CONSTANT,
                          .init_sd = 0.5,
                          .block_end = {1, is_table ? N : 1}};
        snprintf(p.name, sizeof p.name, "parameter %d", i);
        RK_TRY(rk__model_add(m, p));
    }
    return rk__declare_table(m, "final");
}

static rk_value use(rk_program *p, int relation, const char *part)
{
    char name[RK_NAME_LENGTH];
    snprintf(name, sizeof name, "relation %d.%s", relation, part);
    return rk__use(p, rk__store_find(p->store, name));
}

static rk_encoded encode(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    (void)m, (void)graph, (void)state;
    static const float weights[] = {1, 1, 0.5f, -1};
    rk_value layers[RELATIONS];
    for (int r = 0; r < RELATIONS; r++) {
        rk_graph_values own = {use(p, r, "offsets"), use(p, r, "columns"), use(p, r, "scale")};
        rk_value pair[] = {rk__propagate(p, own, values[0], 1), values[0]};
        layers[r] = rk__mix(p, values[TABLES + r], pair, 2);
    }
    rk_value shares = rk__softmax_weights(p, values[SHARES]);
    rk_value parts[] = {rk__mix(p, shares, layers, RELATIONS), values[1], values[2], values[3]};
    return (rk_encoded){rk__combine(p, parts, weights, 4), values[0], {RK_NONE, RK_NONE}};
}

static void finish(const rk_model_instance *m, rk_program *p)
{
    rk_value values[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) {
        values[i] = rk__use(p, m->parameters[i].stored);
    }
    rk__assign_named(p, "final", encode(m, p, rk__use_graph(p), values, RK_NONE).final);
}

/* It does not fold in. */
static const rk_model_kind relations = {.name = "relations",
                                        .help = "of a test",
                                        .declare = declare,
                                        .encode = encode,
                                        .finish = finish,
                                        .embeddings = "final",
                                        .query = rk__query_embeddings,
                                        .score = rk__score_embeddings,
                                        .scores_by_dot = true};

/* The final embeddings from the definition. */
static void dense(const world *w, double out[N * DIM])
{
    double total = 0;
    for (int r = 0; r < RELATIONS; r++) {
        total += exp((double)w->values[SHARES][r]);
    }
    for (int i = 0; i < N * DIM; i++) {
        out[i] = (double)w->values[1][i] + 0.5 * (double)w->values[2][i] - (double)w->values[3][i];
        for (int r = 0; r < RELATIONS; r++) {
            const rk_graph *g = &w->graphs[r];
            const int64_t row = i / DIM, column = i % DIM;
            double sum = 0, share = exp((double)w->values[SHARES][r]) / total;
            for (int64_t e = g->offsets[row]; e < g->offsets[row + 1]; e++) {
                const int64_t other = g->columns[e];
                sum += (double)w->values[0][other * DIM + column] /
                       sqrt((double)rk__graph_degree(g, row) * (double)rk__graph_degree(g, other));
            }
            out[i] += share * ((double)w->values[TABLES + r][0] * sum +
                               (double)w->values[TABLES + r][1] * (double)w->values[0][i]);
        }
    }
}

/* ---- the world ---- */

static rk_graph make_graph(int which)
{
    int32_t users[N_USERS * N_ITEMS], items[N_USERS * N_ITEMS];
    rk_graph graph;
    int64_t n = 0;
    for (int32_t cell = 0; cell < N_USERS * N_ITEMS; cell++) {
        if (word((uint64_t)cell, (uint32_t)which) % 3 == 0) {
            users[n] = cell / N_ITEMS;
            items[n++] = cell % N_ITEMS;
        }
    }
    assert_ok(rk__graph_build(&graph, users, items, n, N_USERS, N_ITEMS));
    return graph;
}

static void add(world *w, int relation, const char *part, rk_dtype dtype, int64_t rows,
                const void *constant)
{
    char name[RK_NAME_LENGTH];
    snprintf(name, sizeof name, "relation %d.%s", relation, part);
    assert_ok(rk__engine_add(&w->engine, name, dtype, rows, 1, constant, NULL));
}

static void make_values(world *w)
{
    for (int i = 0; i < PARAMETERS; i++) {
        for (int j = 0; j < N * DIM; j++) {
            w->values[i][j] = 2 * rk__uniform(word((uint64_t)j, 100 + (uint32_t)i)) - 1;
        }
    }
}

static void write_nodes(world *w)
{
    int32_t nodes[3 * BATCH];
    for (int b = 0; b < BATCH; b++) {
        nodes[b] = (int32_t)(word((uint64_t)b, 50) % N_USERS);
        nodes[BATCH + b] = N_USERS + (int32_t)(word((uint64_t)b, 51) % N_ITEMS);
        nodes[2 * BATCH + b] = N_USERS + (int32_t)(word((uint64_t)b, 52) % N_ITEMS);
    }
    assert_ok(rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, 3 * BATCH, nodes));
}

static void open_world(world *w, double clip_norm)
{
    static int64_t k[] = {3};
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    *w = (world){
        .options = {
            .model = {.dim = DIM},
            .loss = {.l2 = 0.1, .neighbours = 2, .neighbours_weight = 0.5},
            .sampling = {.per_positive = 1},
            .train = {.batch = BATCH, .optimizer = RK_OPTIMIZER_SGD, .clip_norm = clip_norm},
            .eval = {.k = {k, 1}},
            .run = {.threads = 2}}};
    rk_graph graph = make_graph(RELATIONS);
    assert_ok(rk__engine_open(&w->engine, &w->options, &graph,
                              (rk_engine_how){.device = &rk__device_cpu, .model = &relations}));
    for (int r = 0; r < RELATIONS; r++) {
        const rk_graph *g = &w->graphs[r];
        w->graphs[r] = make_graph(r);
        add(w, r, "offsets", RK_I64, N + 1, g->offsets);
        add(w, r, "columns", RK_I32, 2 * g->n_edges, g->columns);
        add(w, r, "scale", RK_F32, N, g->scale);
    }
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    for (int32_t user = 0; user < N_USERS; user++) {
        w->offsets[user + 1] = user + 1;
        w->items[user] = user % N_ITEMS;
    }
    w->train = (rk_lists){.n_rows = N_USERS, .offsets = w->offsets, .items = w->items};
    assert_ok(rk__scorer_create(&w->scorer, &w->engine, (rk_scorer_data){.parts = {&w->train}}));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    assert_ok(rk__scorer_load(w->scorer));
    make_values(w);
    write_nodes(w);
}

static void close_world(world *w)
{
    rk__scorer_free(w->scorer);
    rk__step_free(&w->step);
    rk__engine_close(&w->engine);
    for (int r = 0; r < RELATIONS; r++) {
        rk__graph_free(&w->graphs[r]);
    }
}

static int64_t size_of(const world *w, int parameter)
{
    const rk_parameter *p = &w->engine.model.parameters[parameter];
    return p->rows * p->cols;
}

static void write_values(world *w)
{
    for (int i = 0; i < PARAMETERS; i++) {
        const rk_parameter *p = &w->engine.model.parameters[i];
        assert_ok(rk__device_cpu.write(w->engine.context, p->stored, 0, p->rows, w->values[i]));
    }
    rk__engine_parameters_changed(&w->engine);
}

static double loss_at(world *w, double learning_rate)
{
    rk_step_state state = {
        .batch = BATCH, .draws_per_epoch = BATCH, .learning_rate = learning_rate};
    write_values(w);
    assert_ok(rk__step_set_state(&w->step, &state));
    assert_ok(rk__step_run(&w->step, 1));
    assert_ok(rk__step_get_state(&w->step, &state));
    return state.last_loss;
}

static const float *stored(const world *w, int32_t number)
{
    return rk__device_cpu.peek(w->engine.context, number);
}

/* ---- tests ---- */

static void gradients_are_difference_quotients(void **unused)
{
    (void)unused;
    const float step = 0x1p-7f;
    float gradient[PARAMETERS][N * DIM];
    world w;
    open_world(&w, 0);
    assert_int_equal(w.engine.model.n_parameters, PARAMETERS);
    assert_true(loss_at(&w, 0) > 0);
    for (int i = 0; i < PARAMETERS; i++) {
        memcpy(gradient[i], stored(&w, w.step.tensors[i].gradient),
               (size_t)size_of(&w, i) * sizeof *gradient[i]);
    }
    for (int i = 0; i < PARAMETERS; i++) {
        double largest = 0;
        for (int64_t j = 0; j < size_of(&w, i); j++) {
            const float here = w.values[i][j];
            w.values[i][j] = here + step;
            double above = loss_at(&w, 0), width = (double)w.values[i][j];
            w.values[i][j] = here - step;
            double expected = (above - loss_at(&w, 0)) / (width - (double)w.values[i][j]);
            w.values[i][j] = here;
            if (fabs((double)gradient[i][j] - expected) > 2e-5 + 1e-3 * fabs(expected)) {
                fail_msg("parameter %d: gradient of element %d is %g, the quotient %g", i, (int)j,
                         (double)gradient[i][j], expected);
            }
            largest = fmax(largest, fabs(expected));
        }
        assert_true(largest > 0.003);
    }
    close_world(&w);
}

/* The norm is over all gradients together; an update is plain SGD with what is left of them. */
static void fourteen_gradients_are_clipped_as_one(void **unused)
{
    (void)unused;
    static const double limits[] = {0.05, 1000};
    for (int large = 0; large < 2; large++) {
        world w;
        double square = 0;
        open_world(&w, limits[large]);
        loss_at(&w, 1);
        for (int i = 0; i < PARAMETERS; i++) {
            const float *gradient = stored(&w, w.step.tensors[i].gradient);
            for (int64_t j = 0; j < size_of(&w, i); j++) {
                square += (double)gradient[j] * (double)gradient[j];
            }
        }
        const double factor = fmin(1, limits[large] / sqrt(square));
        assert_int_equal(factor == 1, large);
        for (int i = 0; i < PARAMETERS; i++) {
            const float *gradient = stored(&w, w.step.tensors[i].gradient),
                        *now = stored(&w, w.step.tensors[i].parameter);
            for (int64_t j = 0; j < size_of(&w, i); j++) {
                double expected = (double)w.values[i][j] - factor * (double)gradient[j];
                assert_close((double)now[j], expected, 1e-6, 0.1);
            }
        }
        close_world(&w);
    }
}

static void its_embeddings_rank(void **unused)
{
    (void)unused;
    world w;
    float *final = NULL;
    double expected[N * DIM];
    int32_t users[] = {4}, items[3], first = -1;
    open_world(&w, 0);
    write_values(&w);
    dense(&w, expected);
    assert_ok(rk__scorer_read(w.scorer, "final", &final));
    for (int i = 0; i < N * DIM; i++) {
        assert_close((double) final[i], expected[i], 1e-6, 1);
    }
    rk_ranker ranker = rk__scorer_ranker(w.scorer);
    assert_ok(ranker.rank(ranker.self, 1u << RK_TRAIN, users, 1, 3, items));
    const double *user = expected + users[0] * DIM;
    double best = -INFINITY;
    for (int32_t i = 0; i < N_ITEMS; i++) {
        double score = 0;
        for (int j = 0; j < DIM; j++) {
            score += user[j] * expected[(N_USERS + i) * DIM + j];
        }
        bool is_better = i != w.items[users[0]] && score > best;
        best = is_better ? score : best;
        first = is_better ? i : first;
    }
    assert_int_equal(items[0], first);
    const rk_query somebody = {.user = -1, .items = items, .n_items = 2};
    const rk_selection selection = rk_selection_defaults();
    assert_fails(RK_ERR_CONFIG, "model relations ranks for users that it was trained on only",
                 rk__scorer_top_k(w.scorer, &somebody, 1, &selection, 3, items, NULL));
    rk__free(final);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_difference_quotients),
        cmocka_unit_test(fourteen_gradients_are_clipped_as_one),
        cmocka_unit_test(its_embeddings_rank),
    };
    return cmocka_run_group_tests_name("relations", tests, NULL, NULL);
}
