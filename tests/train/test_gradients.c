/*
 * The backward pass of whole models against central differences of their loss: every layer
 * weighting, the direct and the Gram form, every loss, every form of the L2 term, item
 * neighbours, one and several negative candidates, a short last batch.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "device/device.h"
#include "graph/gram.h"
#include "models/model.h"
#include "support/support.h"
#include "train/neighbour_term.h"

enum { N_USERS = 12, N_ITEMS = 9, N = N_USERS + N_ITEMS, DIM = 5, BATCH = 8, COUNT = 6, SEED = 4 };

typedef struct world {
    rk_options options;
    rk_graph graph;
    rk_store store;
    rk_model_instance model;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    int32_t state, nodes, gradient, bias;
    float logit_bias[N]; /* given to the program if has_bias */
    bool has_bias;
    double noise; /* of a difference quotient */
    int64_t candidates;
    int gram_side; /* 0: the direct form; 1, 2: the Gram form of the users, the items */
    float *gram;
    rk_neighbours neighbours;
    float table[N * DIM];
} world;

static uint32_t word(uint64_t index, uint32_t which)
{
    return rk__philox(SEED, RK_PURPOSE_SYNTH, which, index, 0).v[0];
}

/* Every user likes about half of the items; user 3 and item 4 have no edge. */
static void make_graph(world *w)
{
    int32_t users[N_USERS * N_ITEMS], items[N_USERS * N_ITEMS];
    int64_t n = 0;
    for (int32_t u = 0; u < N_USERS; u++) {
        for (int32_t i = 0; i < N_ITEMS; i++) {
            if (u != 3 && i != 4 && word((uint64_t)(u * N_ITEMS + i), 0) % 2) {
                users[n] = u;
                items[n++] = i;
            }
        }
    }
    assert_ok(rk__graph_build(&w->graph, users, items, n, N_USERS, N_ITEMS));
}

/* COUNT triplets of BATCH: repeated users and items, an isolated one; unused slots are -1. */
static void make_nodes(const world *w, int32_t *nodes)
{
    for (int64_t b = 0; b < BATCH; b++) {
        bool used = b < COUNT;
        nodes[b] = used ? (int32_t)(word((uint64_t)b, 1) % 5) : -1;
        nodes[BATCH + b] = used ? N_USERS + (int32_t)(word((uint64_t)b, 2) % 4) : -1;
        for (int64_t k = 0; k < w->candidates; k++) {
            int64_t slot = 2 * BATCH + b * w->candidates + k;
            nodes[slot] = used ? N_USERS + (int32_t)(word((uint64_t)slot, 3) % N_ITEMS) : -1;
        }
    }
}

static void build(world *w)
{
    const rk_options *o = &w->options;
    rk_program *p = &w->program;
    rk__program_init(p, &w->store, "gradients");
    rk_value parameter = rk__use(p, w->model.parameters[0].stored), state = rk__use(p, w->state);
    rk_graph_values graph = {rk__use(p, rk__store_find(&w->store, "offsets")),
                             rk__use(p, rk__store_find(&w->store, "columns")),
                             rk__use(p, rk__store_find(&w->store, "scale"))};
    rk_value nodes = rk__use(p, w->nodes);
    rk_row_set rows = rk__unique_rows(p, nodes, N);
    rk_value gradient = RK_NONE;
    rk_objective_values batch = {
        .rows = rows, .state = state, .logit_bias = RK_NONE, .degree_factor = RK_NONE};
    bool weighted = o->loss.kind == RK_LOSS_BCE;
    if (w->bias >= 0) {
        *(weighted ? &batch.degree_factor : &batch.logit_bias) = rk__use(p, w->bias);
    }
    batch.final = w->model.model->embed(&w->model, p, graph, &parameter, &rows, &batch.ego);
    rk__neighbour_term_embed(p, &w->model, graph, &parameter, nodes, &batch);
    assert_ok(rk__objective_append(p, o, &batch, w->candidates));
    assert_ok(rk__program_backward(p, &w->model.parameters[0].stored, 1, &gradient));
    rk__assign(p, w->gradient, gradient);
    rk__step_loss(p, state);
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static void open_world(world *w)
{
    int32_t ignored = 0;
    make_graph(w);
    const rk_graph *g = &w->graph;
    rk_store *s = &w->store;
    assert_ok(rk__store_add(s, "offsets", RK_I64, N + 1, 1, g->offsets, &ignored));
    assert_ok(rk__store_add(s, "columns", RK_I32, 2 * g->n_edges, 1, g->columns, &ignored));
    assert_ok(rk__store_add(s, "scale", RK_F32, N, 1, g->scale, &ignored));
    assert_ok(rk__store_add(s, "nodes", RK_I32, (2 + w->candidates) * BATCH, 1, NULL, &w->nodes));
    assert_ok(rk__store_add(s, "gradient", RK_F32, N, DIM, NULL, &w->gradient));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &w->state));
    w->bias = -1;
    if (w->has_bias) {
        assert_ok(rk__store_add(s, "bias", RK_F32, N, 1, w->logit_bias, &w->bias));
    }
    assert_ok(rk__model_declare(&w->model, &w->options, N_USERS, N_ITEMS, s));
    if (w->gram_side > 0) {
        rk_gram_form *form = &w->model.gram;
        *form = w->gram_side == 1 ? (rk_gram_form){true, 0, N_USERS, -1}
                                  : (rk_gram_form){true, N_USERS, N_ITEMS, -1};
        assert_ok(rk__gram_build(&w->gram, g, form->first, form->n));
        assert_ok(rk__store_add(s, "gram", RK_F32, form->n, form->n, w->gram, &form->stored));
    }
    assert_ok(rk__neighbour_term_init(&w->neighbours, g, &w->options, NULL));
    assert_ok(rk__neighbour_term_declare(&w->neighbours, s));
    build(w);
    rk_device_options options = {.threads = 1};
    assert_ok(rk__device_cpu.open(&options, &w->context));
    assert_ok(rk__device_cpu.bind(w->context, s));
    assert_ok(rk__device_cpu.load(w->context, &w->program, &w->loaded));
    int32_t nodes[(2 + 8) * BATCH];
    make_nodes(w, nodes);
    assert_ok(rk__device_cpu.write(w->context, w->nodes, 0, (2 + w->candidates) * BATCH, nodes));
    for (int i = 0; i < N * DIM; i++) {
        w->table[i] = 2 * rk__uniform(word((uint64_t)i, 4)) - 1;
    }
}

static void close_world(world *w)
{
    rk__device_cpu.close(w->context);
    rk__program_free(&w->program);
    rk__store_free(&w->store);
    rk__graph_free(&w->graph);
    rk__free(w->gram);
    rk__neighbours_free(&w->neighbours);
}

static double loss_at(world *w, const float *table)
{
    rk_step_state state = {.batch = BATCH, .draws_per_epoch = COUNT, .learning_rate = 1};
    assert_ok(rk__device_cpu.write(w->context, w->state, 0, 1, &state));
    assert_ok(rk__device_cpu.write(w->context, w->model.parameters[0].stored, 0, N, table));
    assert_ok(rk__device_cpu.run(w->context, w->loaded, 1));
    assert_ok(rk__device_cpu.read(w->context, w->state, 0, 1, &state));
    return state.last_loss;
}

/* Central differences with a step that float storage represents well; the loss is summed in double,
 * so what is left is the rounding of the embeddings, about 1e-7 / step. */
static void check(world *w, const char *what)
{
    open_world(w);
    float gradient[N * DIM];
    double largest = 0;
    assert_true(loss_at(w, w->table) != 0);
    assert_ok(rk__device_cpu.read(w->context, w->gradient, 0, N, gradient));
    for (int i = 0; i < N * DIM; i++) {
        float there[N * DIM];
        const float step = 0x1p-7f;
        memcpy(there, w->table, sizeof there);
        there[i] = w->table[i] + step;
        double above = loss_at(w, there), width = (double)there[i];
        there[i] = w->table[i] - step;
        double below = loss_at(w, there);
        width -= (double)there[i];
        double expected = (above - below) / width;
        if (fabs((double)gradient[i] - expected) > w->noise + 1e-3 * fabs(expected)) {
            fail_msg("%s: gradient of element %d is %g, the difference quotient %g", what, i,
                     (double)gradient[i], expected);
        }
        largest = fmax(largest, fabs(expected));
    }
    assert_true(largest > 0.002); /* a hundred times the tolerance: the check sees something */
    close_world(w);
}

static world plain(void)
{
    world w = {.candidates = 1, .noise = 2e-5};
    w.options.model.dim = DIM;
    w.options.model.layers = 3;
    w.options.loss.l2 = 0.1;
    w.options.train.batch = BATCH;
    return w;
}

static void every_depth_and_weighting(void **unused)
{
    (void)unused;
    for (int64_t layers = 0; layers <= 4; layers++) {
        for (int weights = RK_WEIGHTS_MEAN; weights <= RK_WEIGHTS_LAST; weights++) {
            if (layers == 0 && weights == RK_WEIGHTS_MEAN_WITHOUT_EGO) {
                continue; /* no layer is left: refused by the config */
            }
            world w = plain();
            w.options.model.layers = layers;
            w.options.model.layer_weights = weights;
            char what[64];
            snprintf(what, sizeof what, "%d layers, weighting %d", (int)layers, weights);
            check(&w, what);
        }
    }
}

static void the_gram_form_of_either_side(void **unused)
{
    (void)unused;
    static const int64_t depths[] = {1, 2, 3, 4, 5, 10};
    for (int i = 0; i < 3 * 2 * (int)(sizeof depths / sizeof depths[0]); i++) {
        world w = plain();
        w.gram_side = 1 + i % 2;
        w.options.model.layer_weights = i / 2 % 3;
        w.options.model.layers = depths[i / 6];
        w.options.loss.l2_on = i / 2 % 2 ? RK_L2_EGO : RK_L2_PROPAGATED;
        char what[96];
        snprintf(what, sizeof what, "gram form of %s, %d layers, weighting %d",
                 i % 2 ? "items" : "users", (int)depths[i / 6], i / 2 % 3);
        check(&w, what);
    }
}

static void every_form_of_l2(void **unused)
{
    (void)unused;
    for (int form = 0; form < 24; form++) {
        world w = plain();
        w.options.loss.l2_on = form & 1 ? RK_L2_PROPAGATED : RK_L2_EGO;
        w.options.loss.l2_form = form & 2 ? RK_L2_NORM : RK_L2_SQUARED;
        w.options.loss.l2_rows = form & 4 ? RK_L2_UNIQUE : RK_L2_BATCH;
        w.options.loss.l2_divisor = form / 8; /* actual, nominal, one */
        char what[64];
        snprintf(what, sizeof what, "form %d of L2", form);
        check(&w, what);
    }
}

static void several_candidates(void **unused)
{
    (void)unused;
    world w = plain();
    w.candidates = 4;
    w.options.sampling.negatives = RK_NEGATIVES_DYNAMIC;
    check(&w, "four candidates");
}

/* Cosine and inner product, with the positive in the sum and without, the power, biases. */
static void softmax_in_the_batch(void **unused)
{
    (void)unused;
    for (int form = 0; form < 16; form++) {
        world w = plain();
        w.candidates = 0;
        w.options.model.layers = form % 3;
        w.options.loss.kind = RK_LOSS_SOFTMAX;
        w.options.loss.logits = form & 1 ? RK_LOGITS_DOT : RK_LOGITS_COSINE;
        w.options.loss.exclude_positive = form & 2;
        w.options.loss.power = form & 4 ? 0.84 : 1;
        w.options.loss.temperature = 0.4;
        w.has_bias = form & 8;
        for (int i = 0; i < N; i++) {
            w.logit_bias[i] = rk__uniform(word((uint64_t)i, 5));
        }
        char what[64];
        snprintf(what, sizeof what, "form %d of softmax", form);
        check(&w, what);
    }
}

/* Each loss over several negatives (bpr: also one, on cosines), cosine and inner product. */
static void drawn_negatives(void **unused)
{
    (void)unused;
    static const int kinds[] = {RK_LOSS_BPR, RK_LOSS_SOFTMAX, RK_LOSS_HINGE, RK_LOSS_CCL,
                                RK_LOSS_BCE};
    for (int form = 0; form < 20; form++) {
        world w = plain();
        w.candidates = form < 10 ? 3 : 1;
        w.options.model.layers = form % 3;
        w.options.loss.kind = kinds[form % 5];
        w.options.loss.logits = form / 5 % 2 ? RK_LOGITS_DOT : RK_LOGITS_COSINE;
        w.options.loss.power = 1.1;
        w.options.loss.exclude_positive = form % 2;
        w.options.loss.temperature = 0.4;
        w.options.loss.margin = w.options.loss.kind == RK_LOSS_CCL ? -0.3 : 0.8;
        w.options.loss.negative_weight = 1.5;
        w.options.loss.bce_w1 = 0.2;
        w.options.loss.bce_w2 = 1;
        w.options.loss.bce_w3 = 0.3;
        w.options.loss.bce_w4 = 2;
        w.has_bias = w.options.loss.kind == RK_LOSS_BCE;
        for (int i = 0; i < N; i++) {
            w.logit_bias[i] = 0.5f + rk__uniform(word((uint64_t)i, 5));
        }
        char what[64];
        snprintf(what, sizeof what, "form %d of drawn negatives", form);
        check(&w, what);
    }
}

/* Beside several losses; every depth, matrix factorisation, the Gram form of either side; one
 * neighbour, several, more than an item has. */
static void neighbours_of_items(void **unused)
{
    (void)unused;
    static const int64_t counts[] = {1, 3, N_ITEMS};
    for (int form = 0; form < 24; form++) {
        world w = plain();
        w.options.model.kind = form % 4 == 3 ? RK_MODEL_MF : RK_MODEL_LIGHTGCN;
        w.options.model.layers = form % 4;
        w.options.loss.neighbours = counts[form % 3];
        w.options.loss.neighbours_weight = 1.5;
        w.options.loss.logits = form / 4 % 2 ? RK_LOGITS_COSINE : RK_LOGITS_DOT;
        w.options.loss.l2 = form / 8 % 2 ? 0.1 : 0;
        w.candidates = form / 8 ? 3 : 1;
        w.gram_side = form >= 16 && form % 4 < 3 && form % 4 > 0 ? 1 + form / 4 % 2 : 0;
        char what[64];
        snprintf(what, sizeof what, "form %d of neighbours", form);
        check(&w, what);
    }
}

static void align_uniform(void **unused)
{
    (void)unused;
    for (int64_t layers = 0; layers < 3; layers++) {
        world w = plain();
        w.candidates = 0;
        w.options.model.layers = layers;
        w.options.loss.kind = RK_LOSS_ALIGN_UNIFORM;
        w.options.loss.uniformity = 0.7;
        w.noise = 5e-5; /* the loss is made of sums that are kept as floats */
        check(&w, "align_uniform");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_depth_and_weighting),
        cmocka_unit_test(the_gram_form_of_either_side),
        cmocka_unit_test(every_form_of_l2),
        cmocka_unit_test(several_candidates),
        cmocka_unit_test(softmax_in_the_batch),
        cmocka_unit_test(drawn_negatives),
        cmocka_unit_test(align_uniform),
        cmocka_unit_test(neighbours_of_items),
    };
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
