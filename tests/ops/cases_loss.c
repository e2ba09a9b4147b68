/* Loss terms and their gradients; gradients also against finite differences of the naive loss. */
#include "ops/harness.h"

#include <math.h>

enum { GROUPS = 3 };

static const struct loss_shape {
    int64_t users, items, batch, triplets, candidates, d;
} shapes[] = {
    {1, 2, 1, 1, 1, 1},         {5, 4, 7, 7, 1, 3},          {30, 20, 33, 33, 1, 16},
    {30, 20, 33, 10, 1, 20},    {200, 300, 150, 150, 1, 64}, {40, 50, 64, 0, 1, 65},
    {40, 50, 300, 299, 1, 130}, {40, 50, 30, 30, 4, 20},     {300, 400, 140, 131, 7, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct setting {
    ops_case *c;
    ops_batch b;
    rk_row_set set;
    rk_value state, chosen;
    int32_t *chosen_data; /* NULL when there is one candidate */
    int64_t d;
    float *x;
    rk_value x_value;
} setting;

static setting begin(const char *what, int i, int variant)
{
    const struct loss_shape *s = &shapes[i];
    ops_random r = {(uint64_t)(i + 100 * variant + 1)};
    setting t = {.c = ops_begin("%s, shape %d, variant %d", what, i, variant), .d = s->d};
    t.b = ops_make_batch(t.c, s->users, s->items, s->batch, s->candidates, s->triplets, &r);
    t.set = ops_batch_inputs(t.c, &t.b, s->users + s->items);
    rk_step_state state = ops_state(&t.b);
    t.state = ops_variable(t.c, RK_STATE, 1, 1, &state);
    t.x = ops_reals(t.c, t.b.capacity * s->d, &r);
    t.x_value = ops_input(t.c, RK_F32, t.b.capacity, s->d, t.x);
    t.chosen = RK_NONE;
    if (s->candidates > 1) {
        t.chosen_data = ops_memory(t.c, s->batch, sizeof(int32_t));
        for (int64_t b = 0; b < s->batch; b++) {
            t.chosen_data[b] = b < s->triplets ? (int32_t)ops_below(&r, s->candidates) : -1;
        }
        t.chosen = ops_input(t.c, RK_I32, s->batch, 1, t.chosen_data);
    }
    return t;
}

/* The row of x of a triplet's user (0), positive (1) or chosen negative (2). */
static int64_t row_of(const setting *t, int64_t triplet, int which)
{
    int64_t slot = which * t->b.batch + triplet;
    if (which == 2) {
        slot = 2 * t->b.batch + triplet * t->b.candidates;
        slot += t->chosen_data ? t->chosen_data[triplet] : 0;
    }
    return t->b.slot_row[slot];
}

static double dot(const setting *t, int64_t row_a, int64_t row_b)
{
    double sum = 0;
    for (int64_t j = 0; j < t->d; j++) {
        sum += (double)t->x[row_a * t->d + j] * (double)t->x[row_b * t->d + j];
    }
    return sum;
}

/* Score of the negative - score of the positive. */
static double margin(const setting *t, int64_t triplet)
{
    int64_t user = row_of(t, triplet, 0);
    return dot(t, user, row_of(t, triplet, 2)) - dot(t, user, row_of(t, triplet, 1));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* ---- select_negatives ---- */

static void select_negatives(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("select_negatives", i, 0);
        for (int64_t j = 0; j < t.b.capacity * t.d; j++) {
            t.x[j] = (float)((int)(t.x[j] * 2)); /* exact scores with many ties */
        }
        int32_t *expected = ops_memory(t.c, t.b.batch, sizeof *expected);
        for (int64_t b = 0; b < t.b.batch; b++) {
            double best = -INFINITY;
            expected[b] = -1;
            for (int64_t k = 0; k < t.b.candidates && b < t.b.triplets; k++) {
                int64_t slot = 2 * t.b.batch + b * t.b.candidates + k;
                double score = dot(&t, t.b.slot_row[b], t.b.slot_row[slot]);
                if (score > best) {
                    best = score;
                    expected[b] = (int32_t)k;
                }
            }
        }
        rk_value x = ops_input(t.c, RK_F32, t.b.capacity, t.d, t.x);
        ops_expect_exactly(
            t.c, rk__select_negatives(ops_program(t.c), x, t.set, t.state, t.b.batch), expected);
        ops_run(t.c, 1);
    }
}

/* ---- BPR ---- */

static void bpr_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("bpr_loss", i, 0);
        double *loss = ops_doubles(t.c, 1), *size = ops_doubles(t.c, 1);
        double *coefficient = ops_doubles(t.c, t.b.batch), *one = ops_doubles(t.c, t.b.batch);
        for (int64_t b = 0; b < t.b.triplets; b++) {
            double n = (double)t.b.triplets, x = margin(&t, b);
            ops_add(loss, size, log1p(exp(-fabs(x))) / n + fmax(x, 0) / n);
            coefficient[b] = sigmoid(x) / n;
            one[b] = 1 / n;
        }
        rk_program *p = ops_program(t.c);
        rk__bpr_loss(p, t.x_value, t.set, t.chosen, t.state, t.b.batch);
        rk_value value = p->n_losses > 0 ? p->losses[0].value : RK_NONE;
        ops_expect_reals(t.c, value, loss, size, 3e-6);
        ops_expect_reals(t.c, value + 1, coefficient, one, 3e-6);
        ops_run(t.c, 1);
    }
}

/* Margins so large that a careless softplus overflows or loses everything. */
static void bpr_loss_extremes(void)
{
    enum { B = 4 };
    static const float scores[B] = {200, -200, 3e4f, -3e4f}; /* of the negative; positives 0 */
    ops_case *c = ops_begin("bpr_loss of extreme scores");
    ops_batch b = {.batch = B,
                   .candidates = 1,
                   .triplets = B,
                   .slots = 3 * B,
                   .capacity = 3 * B,
                   .count = 3 * B};
    float *x = ops_memory(c, b.capacity, sizeof *x);
    int32_t *slots = ops_memory(c, b.capacity + 1, sizeof *slots);
    double *loss = ops_doubles(c, 1), *coefficient = ops_doubles(c, B), *one = ops_doubles(c, B);
    for (int s = 0; s < 3 * B; s++) {
        x[s] = s < B ? 1 : s < 2 * B ? 0 : scores[s - 2 * B];
        slots[s] = s;
    }
    slots[b.capacity] = 3 * B;
    for (int i = 0; i < B; i++) {
        loss[0] += fmax((double)scores[i], 0) / B + log1p(exp(-fabs((double)scores[i]))) / B;
        coefficient[i] = sigmoid((double)scores[i]) / B;
        one[i] = 1;
    }
    b.rows = b.map = b.slot_row = b.segments = b.order = slots;
    rk_row_set set = ops_batch_inputs(c, &b, b.capacity);
    rk_step_state state = ops_state(&b);
    rk_program *p = ops_program(c);
    rk__bpr_loss(p, ops_input(c, RK_F32, b.capacity, 1, x), set, RK_NONE,
                 ops_variable(c, RK_STATE, 1, 1, &state), B);
    ops_expect_reals(c, p->losses[0].value, loss, loss, 1e-9);
    ops_expect_reals(c, p->losses[0].value + 1, coefficient, one, 1e-7);
    ops_run(c, 1);
}

/* d loss / d x by the chain rule, triplet by triplet. */
static void bpr_gradient(const setting *t, double *gradient, double *size)
{
    for (int64_t b = 0; b < t->b.triplets; b++) {
        double c = sigmoid(margin(t, b)) / (double)t->b.triplets;
        int64_t user = row_of(t, b, 0), positive = row_of(t, b, 1), negative = row_of(t, b, 2);
        for (int64_t j = 0; j < t->d; j++) {
            double u = (double)t->x[user * t->d + j];
            int64_t at = user * t->d + j;
            ops_add(&gradient[at], &size[at], c * (double)t->x[negative * t->d + j]);
            ops_add(&gradient[at], &size[at], -c * (double)t->x[positive * t->d + j]);
            ops_add(&gradient[positive * t->d + j], &size[positive * t->d + j], -c * u);
            ops_add(&gradient[negative * t->d + j], &size[negative * t->d + j], c * u);
        }
    }
}

static void bpr_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("bpr_grad", i, 0);
        int64_t n = t.b.capacity * t.d;
        double *gradient = ops_doubles(t.c, n), *size = ops_doubles(t.c, n);
        bpr_gradient(&t, gradient, size);
        for (int64_t j = 0; j < n; j++) {
            size[j] += 1e-6; /* the coefficient's own rounding, where terms cancel */
        }
        float *coefficient = ops_memory(t.c, t.b.batch, sizeof *coefficient);
        for (int64_t b = 0; b < t.b.triplets; b++) {
            coefficient[b] = (float)(sigmoid(margin(&t, b)) / (double)t.b.triplets);
        }
        rk_value in[] = {t.x_value,      ops_input(t.c, RK_F32, t.b.batch, 1, coefficient),
                         t.set.slot_row, t.set.segments,
                         t.set.order,    t.set.count,
                         t.chosen};
        rk_value y = ops_append(t.c, RK_OP_BPR_GRAD, in, 7, (rk_attr){.batch = t.b.batch});
        ops_expect_reals(t.c, y, gradient, size, 2e-6);
        ops_run(t.c, 1);
    }
}

/* ---- L2 ---- */

/* The triplet's slot in a group counts: always with the batch's rows, with unique ones only the
 * first time its node is met, in the group or (squared form) anywhere. */
static bool counts(const setting *t, const rk_l2_attr *a, char *met, int64_t triplet, int group)
{
    int64_t place = a->form == RK_L2_NORM ? group : 0, row = row_of(t, triplet, group);
    char *flag = &met[place * t->b.capacity + row];
    bool first = !*flag;
    *flag = 1;
    return first || a->rows == RK_L2_BATCH;
}

/* The loss, and what each row's gradient is a multiple of. */
static double l2(const setting *t, const rk_l2_attr *a, double *factor)
{
    double squares[GROUPS] = {0}, divisor = 1, loss = 0, scale;
    double *multiple[GROUPS];
    char *met = ops_memory(t->c, GROUPS * t->b.capacity, 1);
    for (int g = 0; g < GROUPS; g++) {
        multiple[g] = ops_doubles(t->c, t->b.capacity);
        for (int64_t b = 0; b < t->b.triplets; b++) {
            int64_t row = row_of(t, b, g);
            if (counts(t, a, met, b, g)) {
                squares[g] += dot(t, row, row);
                multiple[g][row]++;
            }
        }
    }
    divisor = a->divisor == RK_L2_ACTUAL    ? (double)t->b.triplets
              : a->divisor == RK_L2_NOMINAL ? (double)t->b.batch
                                            : 1;
    scale = t->b.triplets > 0 ? a->weight / divisor : 0;
    for (int g = 0; g < GROUPS; g++) {
        double norm = sqrt(squares[g]);
        loss += scale * (a->form == RK_L2_NORM ? norm : 0.5 * squares[g]);
        for (int64_t r = 0; r < t->b.capacity; r++) {
            if (multiple[g][r] > 0) {
                factor[r] += scale * multiple[g][r] / (a->form == RK_L2_NORM ? norm : 1);
            }
        }
    }
    return loss;
}

static void l2_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 2 * 2 * 3; v++) {
            setting t = begin("l2_loss", i, v);
            rk_l2_attr a = {.weight = 0.3,
                            .batch = t.b.batch,
                            .form = v % 2 ? RK_L2_NORM : RK_L2_SQUARED,
                            .rows = v / 2 % 2 ? RK_L2_UNIQUE : RK_L2_BATCH,
                            .divisor = v / 4};
            double *loss = ops_doubles(t.c, 1), *factor = ops_doubles(t.c, t.b.capacity);
            loss[0] = l2(&t, &a, factor);
            rk_program *p = ops_program(t.c);
            rk__l2_loss(p, t.x_value, t.set, t.chosen, t.state, a);
            rk_value value = p->n_losses > 0 ? p->losses[0].value : RK_NONE;
            ops_expect_reals(t.c, value, loss, loss, 2e-6);
            ops_expect_reals(t.c, value + 1, factor, factor, 1e-6);
            ops_run(t.c, 1);
        }
    }
}

/* ---- step_loss ---- */

static void step_loss(void)
{
    static const double terms[2] = {0.625, 0.0625};
    ops_case *c = ops_begin("step_loss over 3 steps");
    rk_program *p = ops_program(c);
    rk_step_state state = {.step = 9, .loss_sum = {1, 0.5, 0.5, 0}};
    rk_value value = ops_variable(c, RK_STATE, 1, 1, &state);
    p->losses[0] = (rk_loss_term){ops_input(c, RK_F64, 1, 1, &terms[0]), 1};
    p->losses[1] = (rk_loss_term){ops_input(c, RK_F64, 1, 1, &terms[1]), 2};
    p->n_losses = 2;
    rk__step_loss(p, value);
    for (int i = 0; i < 3; i++) {
        state.loss_sum[0] += terms[0] + terms[1];
        state.loss_sum[1] += terms[0];
        state.loss_sum[2] += terms[1];
    }
    state.last_loss = terms[0] + terms[1];
    ops_expect_exactly(c, value, &state);
    ops_run(c, 3);
}

/* The first bad step is kept, whatever comes later. */
static void step_loss_not_finite(void)
{
    double term = INFINITY;
    ops_case *c = ops_begin("step_loss of an infinite term");
    rk_program *p = ops_program(c);
    rk_step_state state = {.step = 9};
    rk_value value = ops_variable(c, RK_STATE, 1, 1, &state);
    p->losses[0] = (rk_loss_term){ops_input(c, RK_F64, 1, 1, &term), 1};
    p->n_losses = 1;
    rk__step_loss(p, value);
    rk__step_advance(p, value);
    state = (rk_step_state){.step = 12,
                            .step_in_epoch = 3,
                            .bad_step = 10,
                            .bad_loss = term,
                            .loss_sum = {term, term, 0, 0},
                            .last_loss = term};
    ops_expect_exactly(c, value, &state);
    ops_run(c, 3);
}

const ops_entry ops_cases_loss[] = {
    {RK_OP_SELECT_NEGATIVES, select_negatives},
    {RK_OP_BPR_LOSS, bpr_loss},
    {RK_OP_BPR_LOSS, bpr_loss_extremes},
    {RK_OP_BPR_GRAD, bpr_grad},
    {RK_OP_L2_LOSS, l2_loss},
    {RK_OP_STEP_LOSS, step_loss},
    {RK_OP_STEP_LOSS, step_loss_not_finite},
    {RK_OP_COUNT, NULL},
};
