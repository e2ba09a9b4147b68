/* The gradients of factorisation machines by all their tables, against difference quotients. */
#include <math.h>

#include "data/dataset_internal.h"
#include "train/fm_world.h"
#include "train/step.h"

enum { BATCH = 6, COUNT = 5 };

/* Train pairs of the graph and other items, COUNT of BATCH triplets. */
static void make_nodes(const rk_graph *g, int64_t candidates, int32_t *nodes)
{
    uint32_t r = 3;
    memset(nodes, 0xff, (size_t)((2 + candidates) * BATCH) * sizeof *nodes);
    for (int b = 0; b < COUNT; b++) {
        const int64_t user = draw(&r, 4);
        const int64_t begin = g->offsets[user], n = g->offsets[user + 1] - begin;
        nodes[b] = (int32_t)user;
        nodes[BATCH + b] = g->columns[begin + draw(&r, (uint32_t)n)];
        for (int64_t k = 0; k < candidates; k++) {
            nodes[2 * BATCH + b * candidates + k] = (int32_t)(g->n_users + draw(&r, ITEMS));
        }
    }
}

static double loss_at(rk_step *step)
{
    rk_step_state state = {.batch = BATCH, .draws_per_epoch = COUNT, .seed = 9, .step = 2};
    assert_ok(rk__step_set_state(step, &state));
    assert_ok(rk__step_run(step, 1));
    assert_ok(rk__step_get_state(step, &state));
    return state.last_loss;
}

/* The same drawn values in all parameters, but for element `at` of number `of`, which is moved. */
static float write_parameters(const rk_engine *e, int of, int64_t at, float move)
{
    float moved = 0;
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        float *values = malloc((size_t)(p->rows * p->cols) * sizeof *values);
        uint32_t r = 17 + (uint32_t)i;
        assert_non_null(values);
        for (int64_t k = 0; k < p->rows * p->cols; k++) {
            values[k] = (float)draw(&r, 2000) / 1000 - 1;
        }
        if (i == of) {
            moved = values[at] += move;
        }
        assert_ok(rk__device_cpu.write(e->context, p->stored, 0, p->rows, values));
        free(values);
    }
    return moved;
}

static void check_parameter(rk_engine *e, rk_step *step, int number)
{
    const rk_parameter *p = &e->model.parameters[number];
    const int64_t n = p->rows * p->cols;
    float *gradient = malloc((size_t)n * sizeof *gradient);
    double largest = 0;
    assert_non_null(gradient);
    write_parameters(e, -1, 0, 0);
    assert_true(loss_at(step) != 0);
    assert_ok(
        rk__device_cpu.read(e->context, step->tensors[number].gradient, 0, p->rows, gradient));
    for (int64_t k = 0; k < n; k++) {
        double width = (double)write_parameters(e, number, k, 0x1p-7f);
        const double above = loss_at(step);
        width -= (double)write_parameters(e, number, k, -0x1p-7f);
        const double expected = (above - loss_at(step)) / width;
        if (fabs((double)gradient[k] - expected) > 5e-5 + 1e-3 * fabs(expected)) {
            fail_msg("%s: gradient of element %d is %g, the difference quotient %g", p->name,
                     (int)k, (double)gradient[k], expected);
        }
        largest = fmax(largest, fabs(expected));
    }
    assert_true(largest > 0.005); /* a hundred times the tolerance */
    free(gradient);
}

static void check_gradients(const char *const *settings, int64_t candidates)
{
    static world w;
    rk_engine engine;
    rk_step step;
    rk_graph graph;
    rk_dataset *d = NULL;
    int32_t nodes[8 * BATCH];
    const char *all[16] = {"model.kind=fm",       "model.dim=5",       "train.batch=6",
                           "train.optimizer=sgd", "data.repeats=keep", FIELDS};
    for (int i = 0; settings[i]; i++) {
        all[6 + i] = settings[i];
    }
    make_world(&w, true);
    w.columns.values = w.values;
    rk_config *config = fitted_config(all);
    assert_ok(rk_dataset_from_columns(config, &w.columns, NULL, &d));
    assert_ok(rk__graph_build_lists(&graph, d->parts[RK_TRAIN].offsets, d->parts[RK_TRAIN].items,
                                    d->n_users, d->n_items));
    assert_ok(rk__engine_open(&engine, rk__config_options(config), &graph,
                              (rk_engine_how){.device = &rk__device_cpu,
                                              .dataset = d,
                                              .train_values = d->details[RK_TRAIN].value}));
    assert_ok(rk__step_create(&step, &engine,
                              (rk_step_how){.given_batch = true, .keeps_gradients = true}, NULL));
    assert_ok(rk__engine_bind(&engine));
    assert_ok(rk__step_load(&step));
    make_nodes(&engine.graph, candidates, nodes);
    assert_ok(rk__device_cpu.write(engine.context, step.stored_nodes, 0, (2 + candidates) * BATCH,
                                   nodes));
    for (int i = 0; i < engine.model.n_parameters; i++) {
        check_parameter(&engine, &step, i);
    }
    rk__step_free(&step);
    rk__engine_close(&engine);
    rk_dataset_free(d);
    rk_config_free(config);
}

static void gradients_are_difference_quotients(void **unused)
{
    (void)unused;
    static const char *const bpr[] = {"loss.kind=bpr", "sampling.per_positive=2",
                                      "model.dropout=0.25", NULL};
    static const char *const bce[] = {"loss.kind=bce", NULL};
    static const char *const mse[] = {"loss.kind=mse", "loss.l2=0.1", "data.repeats=merge", NULL};
    check_gradients(bpr, 2);
    check_gradients(bce, 1);
    check_gradients(mse, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_difference_quotients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
