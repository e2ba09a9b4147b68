#include "support/quotients.h"

#include <math.h>

void quotients_open(quotients *q, const char *name, const quotients_world *world,
                    const quotients_parameter *parameters, int n_parameters)
{
    *q = (quotients){.world = *world, .n_parameters = n_parameters};
    rk_store *s = &q->store;
    assert_true(n_parameters <= QUOTIENTS_MOST);
    assert_ok(rk__store_add(s, "nodes", RK_I32, world->n_slots, 1, world->nodes, &q->nodes));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &q->state));
    assert_ok(rk__store_add(s, "sums", RK_F64, 2, 1, NULL, &q->sums));
    for (int i = 0; i < n_parameters; i++) {
        const quotients_parameter *p = &q->parameters[i];
        char gradient[64];
        q->parameters[i] = parameters[i];
        if (p->rows == 0) {
            continue;
        }
        snprintf(gradient, sizeof gradient, "%s.gradient", p->name);
        assert_ok(rk__store_add(s, p->name, RK_F32, p->rows, p->cols, NULL, &q->values[i]));
        assert_ok(rk__store_add(s, gradient, RK_F32, p->rows, p->cols, NULL, &q->gradients[i]));
        q->contents[i] = calloc((size_t)(p->rows * p->cols), sizeof *q->contents[i]);
        for (int64_t j = 0; j < p->rows * p->cols; j++) {
            q->contents[i][j] = world->reach * ((float)((j * 37 + 11 * i) % 29) / 14 - 1);
        }
    }
    rk__program_init(&q->program, s, name);
}

rk_value quotients_use(quotients *q, int parameter)
{
    return q->parameters[parameter].rows > 0 ? rk__use(&q->program, q->values[parameter]) : RK_NONE;
}

rk_value quotients_state(quotients *q)
{
    return rk__use(&q->program, q->state);
}

rk_row_set quotients_rows(quotients *q)
{
    return rk__unique_rows(&q->program, rk__use(&q->program, q->nodes), q->world.n_nodes);
}

void quotients_load(quotients *q, rk_value scores, rk_slot_rule rule, bool restricts)
{
    rk_program *p = &q->program;
    rk_value state = quotients_state(q), gradients[QUOTIENTS_MOST];
    int32_t of[QUOTIENTS_MOST], used[QUOTIENTS_MOST], n = 0;
    rk__score_loss(p, scores, (rk_score_inputs){state, RK_NONE, RK_NONE}, rule);
    assert_ok(p->status);
    assert_ok(restricts ? rk__program_restrict(p) : RK_OK);
    for (int i = 0; i < q->n_parameters; i++) {
        if (q->parameters[i].rows > 0) {
            of[n] = q->gradients[i];
            used[n++] = q->values[i];
        }
    }
    assert_ok(rk__program_backward(p, used, n, gradients));
    for (int i = 0; i < n; i++) {
        rk__assign(p, of[i], gradients[i]);
    }
    rk__step_loss(p, state, rk__use(p, q->sums));
    assert_ok(rk__program_prune(p));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
    assert_ok(rk__device_cpu.open(&(rk_device_options){.threads = 1}, &q->context));
    assert_ok(rk__device_cpu.bind(q->context, &q->store));
    assert_ok(rk__device_cpu.load(q->context, p, &q->loaded));
}

static void write_parameter(quotients *q, int i)
{
    assert_ok(
        rk__device_cpu.write(q->context, q->values[i], 0, q->parameters[i].rows, q->contents[i]));
}

/* The same step each time: dropout leaves out the same elements. */
static double loss_of(quotients *q, int parameter)
{
    const rk_step_state state = {
        .seed = 3, .step = 4, .batch = q->world.batch, .draws_per_epoch = q->world.triplets};
    double sums[2] = {0};
    write_parameter(q, parameter);
    assert_ok(rk__device_cpu.write(q->context, q->state, 0, 1, &state));
    assert_ok(rk__device_cpu.write(q->context, q->sums, 0, 2, sums));
    assert_ok(rk__device_cpu.run(q->context, q->loaded, 1));
    assert_ok(rk__device_cpu.sync(q->context));
    assert_ok(rk__device_cpu.read(q->context, q->sums, 0, 2, sums));
    return sums[0];
}

static double quotient_of(quotients *q, int i, int64_t j, float step)
{
    const float here = q->contents[i][j];
    q->contents[i][j] = here + step;
    const double above = loss_of(q, i);
    q->contents[i][j] = here - step;
    const double below = loss_of(q, i);
    q->contents[i][j] = here;
    return (above - below) / (2 * (double)step);
}

/* Steps that floats represent well; what is left is their rounding, about 1e-7 / step. */
static void check_parameter(quotients *q, int i, double kinks)
{
    const quotients_parameter *p = &q->parameters[i];
    const int64_t n = p->rows * p->cols;
    float *gradient = calloc((size_t)n, sizeof *gradient);
    double largest = 0;
    int64_t left_out = 0;
    loss_of(q, i);
    assert_ok(rk__device_cpu.read(q->context, q->gradients[i], 0, p->rows, gradient));
    for (int64_t j = 0; j < n; j++) {
        const double wide = quotient_of(q, i, j, 1.0f / 256);
        const double quotient = quotient_of(q, i, j, 1.0f / 512);
        const double tolerance = 3e-4 + 3e-3 * fabs(quotient);
        largest = fmax(largest, fabs(quotient));
        if (fabs(wide - quotient) > tolerance) {
            left_out++;
        } else if (fabs(quotient - (double)gradient[j]) > tolerance) {
            fail_msg("%s: %s[%d]: the gradient is %g, the difference quotient %g", q->program.name,
                     p->name, (int)j, (double)gradient[j], quotient);
        }
    }
    if (largest < 2e-3 || (double)left_out > kinks * (double)n) {
        fail_msg("%s: too little of %s was compared (%g, %d kinks)", q->program.name, p->name,
                 largest, (int)left_out);
    }
    loss_of(q, i);
    free(gradient);
}

void quotients_check(quotients *q, double kinks)
{
    for (int i = 0; i < q->n_parameters; i++) {
        if (q->parameters[i].rows > 0) {
            write_parameter(q, i);
        }
    }
    for (int i = 0; i < q->n_parameters; i++) {
        if (q->parameters[i].rows > 0) {
            check_parameter(q, i, kinks);
        }
    }
}

void quotients_close(quotients *q)
{
    if (q->context) {
        rk__device_cpu.close(q->context);
    }
    rk__program_free(&q->program);
    rk__store_free(&q->store);
    for (int i = 0; i < q->n_parameters; i++) {
        free(q->contents[i]);
    }
}
