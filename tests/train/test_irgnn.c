/*
 * Layers over a graph of items: scores of known users and of lists, and the loss of a batch, whose
 * users are without their targets, from the definition in double; the gradients of that loss by all
 * parameters against difference quotients; what is refused.
 */
#include <math.h>

#include "data/dataset_internal.h"
#include "train/fitted.h"
#include "train/step.h"

enum { USERS = 17, ITEMS = 13, DIM = 4, LAYERS = 2, BATCH = 6, COUNT = 5, NEGATIVES = 2 };

#define TOGETHER "data.relations=[{name: together, derive: co_count, neighbours: 3}]"

/* What the model has learnt; double in place of floats. */
typedef struct network {
    double graph[ITEMS][ITEMS];
    double x[ITEMS][DIM], bias[ITEMS], weight[LAYERS][DIM][DIM], self[LAYERS][DIM][DIM];
    double z[ITEMS][DIM];
} network;

/* An edge of either direction counts in both, over the roots of both sums. */
static void make_graph(network *n, const rk_dataset *d)
{
    const rk_relation *r = rk_dataset_relation(d, 0);
    double sums[ITEMS] = {0};
    memset(n->graph, 0, sizeof n->graph);
    for (int i = 0; i < ITEMS; i++) {
        for (int64_t k = r->offsets[i]; k < r->offsets[i + 1]; k++) {
            n->graph[i][r->columns[k]] = n->graph[r->columns[k]][i] = (double)r->weights[k];
        }
    }
    for (int i = 0; i < ITEMS; i++) {
        for (int j = 0; j < ITEMS; j++) {
            sums[i] += n->graph[i][j];
        }
    }
    for (int i = 0; i < ITEMS; i++) {
        for (int j = 0; j < ITEMS; j++) {
            n->graph[i][j] /= n->graph[i][j] > 0 ? sqrt(sums[i] * sums[j]) : 1;
        }
    }
}

static void layer(const network *n, int k, double h[ITEMS][DIM])
{
    double out[ITEMS][DIM] = {{0}};
    for (int i = 0; i < ITEMS; i++) {
        double near[DIM] = {0};
        for (int j = 0; j < ITEMS; j++) {
            for (int c = 0; c < DIM; c++) {
                near[c] += n->graph[i][j] * h[j][c];
            }
        }
        for (int c = 0; c < DIM; c++) {
            for (int a = 0; a < DIM; a++) {
                out[i][c] += near[a] * n->weight[k][a][c] + h[i][a] * n->self[k][a][c];
            }
            out[i][c] = k + 1 < LAYERS ? tanh(out[i][c]) : out[i][c];
        }
    }
    memcpy(h, out, sizeof out);
}

static void encode(network *n)
{
    memcpy(n->z, n->x, sizeof n->x);
    for (int k = 0; k < LAYERS; k++) {
        layer(n, k, n->z);
    }
    for (int i = 0; i < ITEMS; i++) {
        for (int c = 0; c < DIM; c++) {
            n->z[i][c] += n->x[i][c];
        }
    }
}

/* <the mean of the items without `left_out`, z_i> + b_i; weights NULL = 1. */
static double score(const network *n, const int32_t *items, int64_t count, int left_out, int item)
{
    double sum = 0, used = 0;
    for (int64_t j = 0; j < count; j++) {
        for (int c = 0; c < DIM && items[j] != left_out; c++) {
            sum += n->z[items[j]][c] * n->z[item][c];
        }
        used += items[j] != left_out;
    }
    return (used > 0 ? sum / used : 0) + n->bias[item];
}

static void read_matrix(const rk_model *m, const char *name, double *out, int64_t n)
{
    int64_t rows = 0, cols = 0;
    float *values = fitted_tensor(m, name, &rows, &cols);
    assert_int_equal(rows * cols, n);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (double)values[i];
    }
    free(values);
}

static const char *const settings[] = {"model.kind=irgnn",
                                       "model.dim=4",
                                       "model.layers=2",
                                       "model.relations=together",
                                       "model.activation=tanh",
                                       "loss.kind=bpr",
                                       "train.epochs=8",
                                       "train.batch=16",
                                       "train.learning_rate=0.05",
                                       TOGETHER,
                                       NULL};

/* With a data set that has the relations of the config. */
static rk_status try_fit(const fitted_data *d, const char *const *all, fitted *out)
{
    rk_train_options how = rk_train_defaults();
    *out = (fitted){.config = fitted_config(all)};
    rk_status status = rk_dataset_from_columns(out->config, &d->columns, NULL, &out->dataset);
    how.dataset = out->dataset;
    return status == RK_OK ? rk_model_fit(out->config, &how, NULL, &out->model) : status;
}

static void scores_are_those_of_the_definition(void **unused)
{
    (void)unused;
    static network n;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    fitted f;
    assert_ok(try_fit(&d, settings, &f));
    double *expected = calloc(USERS * ITEMS, sizeof *expected);
    make_graph(&n, f.dataset);
    read_matrix(f.model, "embedding", &n.x[0][0], ITEMS * DIM);
    read_matrix(f.model, "bias", n.bias, ITEMS);
    for (int k = 0; k < LAYERS; k++) {
        char name[32];
        snprintf(name, sizeof name, "layer%d.weight", k + 1);
        read_matrix(f.model, name, &n.weight[k][0][0], DIM * DIM);
        snprintf(name, sizeof name, "layer%d.self", k + 1);
        read_matrix(f.model, name, &n.self[k][0][0], DIM * DIM);
    }
    encode(&n);
    for (int u = 0; u < USERS; u++) {
        int32_t items[ITEMS];
        const int64_t count = fitted_train(&d, u, items);
        for (int i = 0; i < ITEMS; i++) {
            expected[u * ITEMS + i] =
                fitted_item_degree(&d, i) > 0 ? score(&n, items, count, -1, i) : -INFINITY;
        }
        if (count > 0) { /* somebody new who has the same is the same */
            float *folded = fitted_list_scores(f.model, items, NULL, count);
            fitted_assert_near("somebody new", folded, expected + u * ITEMS, ITEMS, 2e-5);
            free(folded);
        }
    }
    fitted_check_scores("irgnn", f.model, &d, expected, 2e-5);
    free(expected);
    fitted_free(&f);
    fitted_data_free(&d);
}

/* ---- a step ---- */

typedef struct learner {
    fitted_data d;
    rk_config *config;
    rk_dataset *dataset;
    rk_graph graph;
    rk_engine engine;
    rk_step step;
    int32_t nodes[(2 + NEGATIVES) * BATCH];
    network n;
} learner;

static double *place(network *n, const char *name)
{
    const int k = name[5] - '1';
    return strcmp(name, "embedding") == 0 ? &n->x[0][0]
           : strcmp(name, "bias") == 0    ? n->bias
           : strstr(name, ".weight")      ? &n->weight[k][0][0]
                                          : &n->self[k][0][0];
}

static double *write_parameter(learner *l, int number)
{
    const rk_parameter *p = &l->engine.model.parameters[number];
    double *values = place(&l->n, p->name);
    float written[ITEMS * DIM];
    for (int64_t i = 0; i < p->rows * p->cols; i++) {
        written[i] = (float)values[i];
    }
    assert_ok(rk__device_cpu.write(l->engine.context, p->stored, 0, p->rows, written));
    return values;
}

/* The pairs: every second user with one of their items, and two other items. */
static void make_nodes(learner *l)
{
    memset(l->nodes, 0xff, sizeof l->nodes);
    for (int b = 0; b < COUNT; b++) {
        const int64_t user = 2 * b, begin = l->graph.offsets[user];
        l->nodes[b] = (int32_t)user;
        l->nodes[BATCH + b] = l->graph.columns[begin + b % (l->graph.offsets[user + 1] - begin)];
        for (int k = 0; k < NEGATIVES; k++) {
            l->nodes[2 * BATCH + b * NEGATIVES + k] = USERS + (5 * b + 7 * k + 3) % ITEMS;
        }
    }
}

static void open_learner(learner *l)
{
    const char *all[16] = {"train.optimizer=sgd", "loss.l2=0.02", "sampling.per_positive=2"};
    int n = 3;
    for (int i = 0; settings[i]; i++) {
        all[n++] = strncmp(settings[i], "train.batch", 11) == 0 ? "train.batch=6" : settings[i];
    }
    fitted_data_init(&l->d, USERS, ITEMS, true);
    l->config = fitted_config(all);
    assert_ok(rk_dataset_from_columns(l->config, &l->d.columns, NULL, &l->dataset));
    assert_ok(rk__graph_build_lists(&l->graph, l->dataset->parts[RK_TRAIN].offsets,
                                    l->dataset->parts[RK_TRAIN].items, USERS, ITEMS));
    make_nodes(l);
    assert_ok(rk__engine_open(&l->engine, rk__config_options(l->config), &l->graph,
                              (rk_engine_how){.device = &rk__device_cpu, .dataset = l->dataset}));
    assert_ok(rk__step_create(&l->step, &l->engine,
                              (rk_step_how){.given_batch = true, .keeps_gradients = true}, NULL));
    assert_ok(rk__engine_bind(&l->engine));
    assert_ok(rk__step_load(&l->step));
    assert_ok(rk__device_cpu.write(l->engine.context, l->step.stored_nodes, 0,
                                   (2 + NEGATIVES) * BATCH, l->nodes));
    make_graph(&l->n, l->dataset);
    for (int i = 0; i < l->engine.model.n_parameters; i++) {
        const rk_parameter *p = &l->engine.model.parameters[i];
        double *values = place(&l->n, p->name);
        for (int64_t k = 0; k < p->rows * p->cols; k++) {
            values[k] = (double)((k * 37 + 11 * i + 5) % 23) / 20 - 0.5;
        }
        write_parameter(l, i);
    }
}

static void close_learner(learner *l)
{
    rk__step_free(&l->step);
    rk__engine_close(&l->engine);
    rk_dataset_free(l->dataset);
    rk_config_free(l->config);
    fitted_data_free(&l->d);
}

static double square(const learner *l, int node)
{
    double sum = 0, row[DIM + 1] = {0};
    int32_t items[ITEMS];
    const int64_t n = node < USERS ? fitted_train(&l->d, node, items) : 1;
    items[0] = node < USERS ? items[0] : node - USERS;
    for (int64_t j = 0; j < n; j++) {
        for (int c = 0; c <= DIM; c++) {
            row[c] += (c < DIM ? l->n.z[items[j]][c] : l->n.bias[items[j]]) / (double)n;
        }
    }
    for (int c = 0; c <= DIM; c++) {
        sum += row[c] * row[c];
    }
    return sum;
}

/* The mean of softplus(negative - positive), and l2 / 2 of the nodes' rows, as they occur. */
static double define_loss(learner *l)
{
    double loss = 0;
    encode(&l->n);
    for (int b = 0; b < COUNT; b++) {
        int32_t items[ITEMS];
        const int positive = l->nodes[BATCH + b] - USERS;
        const int64_t n = fitted_train(&l->d, l->nodes[b], items);
        const double s = score(&l->n, items, n, positive, positive);
        loss += 0.01 * (square(l, l->nodes[b]) + square(l, l->nodes[BATCH + b])) / COUNT;
        for (int k = 0; k < NEGATIVES; k++) {
            const int node = l->nodes[2 * BATCH + b * NEGATIVES + k];
            loss += log1p(exp(score(&l->n, items, n, positive, node - USERS) - s)) /
                    (COUNT * NEGATIVES);
            loss += 0.01 * square(l, node) / COUNT;
        }
    }
    return loss;
}

static double loss_of(learner *l)
{
    rk_step_state state = {.batch = BATCH, .draws_per_epoch = COUNT, .seed = 9, .step = 2};
    assert_ok(rk__step_set_state(&l->step, &state));
    assert_ok(rk__step_run(&l->step, 1));
    assert_ok(rk__step_get_state(&l->step, &state));
    return state.last_loss;
}

static void a_step_is_without_its_targets(void **unused)
{
    (void)unused;
    static learner l;
    open_learner(&l);
    assert_close(loss_of(&l), define_loss(&l), 1e-6, 1e-6);
    for (int i = 0; i < l.engine.model.n_parameters; i++) {
        const rk_parameter *p = &l.engine.model.parameters[i];
        float gradient[ITEMS * DIM];
        double *values = place(&l.n, p->name), largest = 0;
        assert_ok(rk__device_cpu.read(l.engine.context, l.step.tensors[i].gradient, 0, p->rows,
                                      gradient));
        for (int64_t k = 0; k < p->rows * p->cols; k++) {
            const double here = values[k], h = 1e-5;
            values[k] = here + h;
            const double above = define_loss(&l);
            values[k] = here - h;
            const double expected = (above - define_loss(&l)) / (2 * h);
            values[k] = here;
            if (fabs((double)gradient[k] - expected) > 1e-6 + 1e-5 * fabs(expected)) {
                fail_msg("%s: gradient of element %d is %g, expected %g", p->name, (int)k,
                         (double)gradient[k], expected);
            }
            largest = fmax(largest, fabs(expected));
        }
        assert_true(largest > 0.01);
    }
    close_learner(&l);
}

static void what_does_not_fit_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *relations, *data, *says;
    } cases[] = {
        {"model.relations=", TOGETHER, "it names one of data.relations"},
        {"model.relations=apart", TOGETHER, "data.relations has together"},
        {"model.relations=friends",
         "data.relations=[{name: friends, derive: co_count, from: user, neighbours: 3}]",
         "irgnn needs a relation from items to items"},
    };
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *bad[] = {"model.kind=irgnn", cases[i].relations, cases[i].data, NULL};
        fitted f;
        assert_true(try_fit(&d, bad, &f) != RK_OK);
        if (!strstr(rk_last_error(), cases[i].says)) {
            fail_msg("'%s' does not say: %s", rk_last_error(), cases[i].says);
        }
        fitted_free(&f);
    }
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_definition),
        cmocka_unit_test(a_step_is_without_its_targets),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
