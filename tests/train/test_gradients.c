/*
 * The backward pass of whole models against central differences of their loss: every layer
 * weighting, the direct and the Gram form, every loss, every form of the L2 term, item
 * neighbours, one and several negative candidates, a short last batch.
 */
#include <math.h>

#include "base/philox.h"
#include "support/support.h"
#include "train/step.h"

enum { MANY = 12, FEW = 9, N = MANY + FEW, DIM = 5, BATCH = 8, COUNT = 6, SEED = 4 };

typedef struct world {
    rk_options options;
    rk_engine engine;
    rk_step step;
    double noise; /* of a difference quotient */
    int64_t candidates;
    bool few_users; /* FEW users and MANY items, else the other way round */
    float table[N * DIM];
} world;

static uint32_t word(uint64_t index, uint32_t which)
{
    return rk__philox(SEED, RK_PURPOSE_SYNTH, which, index, 0).v[0];
}

/* Every user likes about half of the items; user 3 and item 4 have no edge. */
static rk_graph make_graph(const world *w)
{
    const int32_t n_users = w->few_users ? FEW : MANY, n_items = N - n_users;
    int32_t users[MANY * FEW], items[MANY * FEW];
    rk_graph graph;
    int64_t n = 0;
    for (int32_t u = 0; u < n_users; u++) {
        for (int32_t i = 0; i < n_items; i++) {
            if (u != 3 && i != 4 && word((uint64_t)(u * n_items + i), 0) % 2) {
                users[n] = u;
                items[n++] = i;
            }
        }
    }
    assert_ok(rk__graph_build(&graph, users, items, n, n_users, n_items));
    return graph;
}

/* COUNT triplets of BATCH: repeated users and items, an isolated one; unused slots are -1. */
static void make_nodes(const world *w, int32_t *nodes)
{
    const int32_t n_users = (int32_t)w->engine.graph.n_users, n_items = N - n_users;
    for (int64_t b = 0; b < BATCH; b++) {
        bool used = b < COUNT;
        nodes[b] = used ? (int32_t)(word((uint64_t)b, 1) % 5) : -1;
        nodes[BATCH + b] = used ? n_users + (int32_t)(word((uint64_t)b, 2) % 4) : -1;
        for (int64_t k = 0; k < w->candidates; k++) {
            int64_t slot = 2 * BATCH + b * w->candidates + k;
            uint32_t item = word((uint64_t)slot, 3) % (uint32_t)n_items;
            nodes[slot] = used ? n_users + (int32_t)item : -1;
        }
    }
}

/* The options of sampling that give a batch so many candidates. */
static void set_candidates(world *w)
{
    if (w->candidates == 0) {
        w->options.sampling.negatives = RK_NEGATIVES_IN_BATCH;
    }
    w->options.sampling.candidates = w->candidates;
    w->options.sampling.per_positive = w->candidates;
}

static void open_world(world *w)
{
    rk_graph graph = make_graph(w);
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    int32_t nodes[(2 + 8) * BATCH];
    set_candidates(w);
    assert_ok(rk__engine_open(&w->engine, &w->options, &graph,
                              (rk_engine_how){.device = &rk__device_cpu}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_int_equal(w->step.sample.n_candidates, w->candidates);
    assert_int_equal(w->step.form.is_gram, w->options.graph.form == RK_FORM_GRAM);
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    make_nodes(w, nodes);
    assert_ok(rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0,
                                   (2 + w->candidates) * BATCH, nodes));
    for (int i = 0; i < N * DIM; i++) {
        w->table[i] = 2 * rk__uniform(word((uint64_t)i, 4)) - 1;
    }
}

static void close_world(world *w)
{
    rk__step_free(&w->step);
    rk__engine_close(&w->engine);
}

static double loss_at(world *w, const float *table)
{
    rk_step_state state = {.batch = BATCH, .draws_per_epoch = COUNT, .learning_rate = 1};
    assert_ok(rk__step_set_state(&w->step, &state));
    assert_ok(rk__device_cpu.write(w->engine.context, w->step.tensors[0].parameter, 0, N, table));
    assert_ok(rk__step_run(&w->step, 1));
    assert_ok(rk__step_get_state(&w->step, &state));
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
    assert_ok(rk__device_cpu.read(w->engine.context, w->step.tensors[0].gradient, 0, N, gradient));
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
    w.options.train.optimizer = RK_OPTIMIZER_SGD;
    w.options.graph.form = RK_FORM_DIRECT;
    w.options.run.threads = 1;
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
        w.few_users = i % 2 == 0;
        w.options.graph.form = RK_FORM_GRAM;
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
        w.options.loss.popularity_correction = form & 8 ? 0.7 : 0;
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
    enum { N_KINDS = sizeof kinds / sizeof kinds[0] };
    for (int i = 0; i < 4 * N_KINDS; i++) {
        int kind = i % N_KINDS, form = i / N_KINDS;
        world w = plain();
        w.candidates = form < 2 ? 3 : 1;
        w.options.model.layers = (kind + form) % 3;
        w.options.loss.kind = kinds[kind];
        w.options.loss.logits = form % 2 ? RK_LOGITS_DOT : RK_LOGITS_COSINE;
        w.options.loss.power = 1.1;
        w.options.loss.exclude_positive = form % 2 == 0;
        w.options.loss.temperature = 0.4;
        /* no score of the batch is within a step of the kinks */
        w.options.loss.margin = w.options.loss.kind == RK_LOSS_CCL ? -0.3 : 0.7;
        w.options.loss.negative_weight = 1.5;
        w.options.loss.bce_w1 = 0.2;
        w.options.loss.bce_w2 = 1;
        w.options.loss.bce_w3 = 0.3;
        w.options.loss.bce_w4 = 2;
        char what[64];
        snprintf(what, sizeof what, "form %d of %s", form,
                 rk__option_choice("loss.kind", kinds[kind]));
        check(&w, what);
    }
}

/* Beside several losses; every depth, matrix factorisation, the Gram form of either side; one
 * neighbour, several, more than an item has. */
static void neighbours_of_items(void **unused)
{
    (void)unused;
    static const int64_t counts[] = {1, 3, FEW};
    for (int form = 0; form < 24; form++) {
        world w = plain();
        w.options.model.kind = form % 4 == 3 ? RK_MODEL_MF : RK_MODEL_LIGHTGCN;
        w.options.model.layers = form % 4;
        w.options.loss.neighbours = counts[form % 3];
        w.options.loss.neighbours_weight = 1.5;
        w.options.loss.logits = form / 4 % 2 ? RK_LOGITS_COSINE : RK_LOGITS_DOT;
        w.options.loss.l2 = form / 8 % 2 ? 0.1 : 0;
        w.candidates = form / 8 ? 3 : 1;
        if (form >= 16 && form % 4 < 3 && form % 4 > 0) {
            w.options.graph.form = RK_FORM_GRAM;
            w.few_users = form / 4 % 2 == 0;
        }
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
