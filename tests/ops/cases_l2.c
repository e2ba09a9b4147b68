/* The L2 term and its gradient. */
#include "ops/naive.h"

enum { GROUPS = 3 };

static const ops_shape shapes[] = {
    {1, 2, 1, 1, 1, 1},         {5, 4, 7, 7, 1, 3},          {30, 20, 33, 33, 1, 16},
    {30, 20, 33, 10, 1, 20},    {200, 300, 150, 150, 1, 64}, {40, 50, 64, 0, 1, 65},
    {40, 50, 300, 299, 1, 130}, {40, 50, 30, 30, 4, 20},     {300, 400, 140, 131, 7, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* A scene, and of each triplet the candidate that counts. */
typedef struct setting {
    ops_scene s;
    int32_t *chosen; /* NULL when there is one candidate */
    rk_value chosen_value;
} setting;

static setting begin(int i, int variant)
{
    setting t = {.s = ops_begin_scene("l2_loss", shapes, i, variant), .chosen_value = RK_NONE};
    const ops_batch *b = &t.s.b;
    if (b->candidates > 1) {
        t.chosen = ops_memory(t.s.c, b->batch, sizeof *t.chosen);
        for (int64_t k = 0; k < b->batch; k++) {
            t.chosen[k] = k < b->triplets ? (int32_t)ops_below(&t.s.r, b->candidates) : -1;
        }
        t.chosen_value = ops_input(t.s.c, RK_I32, b->batch, 1, t.chosen);
    }
    return t;
}

/* The row of x of a triplet's user (0), positive (1) or chosen negative (2). */
static int64_t row_of(const setting *t, int64_t triplet, int which)
{
    int64_t slot = which * t->s.b.batch + triplet;
    if (which == 2) {
        slot = 2 * t->s.b.batch + triplet * t->s.b.candidates;
        slot += t->chosen ? t->chosen[triplet] : 0;
    }
    return t->s.b.slot_row[slot];
}

/* The triplet's slot in a group counts: always with the batch's rows, with unique ones only the
 * first time its node is met, in the group or (squared form) anywhere. */
static bool counts(const setting *t, const rk_l2_attr *a, char *met, int64_t triplet, int group)
{
    int64_t place = a->form == RK_L2_NORM ? group : 0, row = row_of(t, triplet, group);
    char *flag = &met[place * t->s.b.capacity + row];
    bool first = !*flag;
    *flag = 1;
    return first || a->rows == RK_L2_BATCH;
}

/* The loss, and what each row's gradient is a multiple of; the sums of squares times `share`, which
 * is 1 unless the rows have but some of the columns. */
static double l2(const setting *t, const rk_l2_attr *a, double share, double *factor,
                 double squares[GROUPS])
{
    double divisor = 1, loss = 0, scale;
    double *multiple[GROUPS];
    char *met = ops_memory(t->s.c, GROUPS * t->s.b.capacity, 1);
    memset(squares, 0, GROUPS * sizeof *squares);
    for (int g = 0; g < GROUPS; g++) {
        multiple[g] = ops_doubles(t->s.c, t->s.b.capacity);
        for (int64_t b = 0; b < t->s.b.triplets; b++) {
            int64_t row = row_of(t, b, g);
            if (counts(t, a, met, b, g)) {
                const float *x = t->s.x + row * t->s.d;
                squares[g] += share * naive_dot(x, x, t->s.d);
                multiple[g][row]++;
            }
        }
    }
    divisor = a->divisor == RK_L2_ACTUAL    ? (double)t->s.b.triplets
              : a->divisor == RK_L2_NOMINAL ? (double)t->s.b.batch
                                            : 1;
    scale = t->s.b.triplets > 0 ? a->weight / divisor : 0;
    for (int g = 0; g < GROUPS; g++) {
        double norm = sqrt(squares[g]);
        loss += scale * (a->form == RK_L2_NORM ? norm : 0.5 * squares[g]);
        for (int64_t r = 0; r < t->s.b.capacity; r++) {
            if (multiple[g][r] > 0) {
                factor[r] += scale * multiple[g][r] / (a->form == RK_L2_NORM ? norm : 1);
            }
        }
    }
    return loss;
}

static rk_l2_attr attr_of(const setting *t, int v)
{
    return (rk_l2_attr){.weight = 0.3,
                        .batch = t->s.b.batch,
                        .form = v % 2 ? RK_L2_NORM : RK_L2_SQUARED,
                        .rows = v / 2 % 2 ? RK_L2_UNIQUE : RK_L2_BATCH,
                        .divisor = v / 4};
}

static void l2_loss_by(int i, int v, double share)
{
    setting t = begin(i, v);
    const rk_attr attr = {.l2 = attr_of(&t, v)};
    const int64_t n = t.s.b.capacity * t.s.d;
    double *loss = ops_doubles(t.s.c, 1), *factor = ops_doubles(t.s.c, t.s.b.capacity);
    double *gradient = ops_doubles(t.s.c, n), *size = ops_doubles(t.s.c, n), squares[GROUPS];
    loss[0] = l2(&t, &attr.l2, share, factor, squares);
    for (int64_t j = 0; j < n; j++) {
        ops_add(&gradient[j], &size[j], factor[j / t.s.d] * (double)t.s.x[j]);
    }
    rk_value in[] = {t.s.x_value, t.s.set.segments, t.s.set.order, t.s.set.count,
                     t.s.state,   t.chosen_value,   RK_NONE};
    if (share != 1) {
        in[RK_L2_LOSS_SQUARES] = ops_input(t.s.c, RK_F64, GROUPS, 1, squares);
    }
    rk_value value = ops_append(t.s.c, RK_OP_L2_LOSS, in, share != 1 ? 7 : 6, attr);
    ops_expect_reals(t.s.c, value, loss, loss, 2e-6);
    ops_expect_reals(t.s.c, value + 1, gradient, size, 1e-6);
    ops_run(t.s.c, 1);
}

static void l2_squares_by(int i, int v)
{
    setting t = begin(i, v);
    const rk_attr attr = {.l2 = attr_of(&t, v)};
    double *squares = ops_doubles(t.s.c, GROUPS);
    l2(&t, &attr.l2, 1, ops_doubles(t.s.c, t.s.b.capacity), squares);
    rk_value in[] = {t.s.x_value,   t.s.set.segments, t.s.set.order,
                     t.s.set.count, t.s.state,        t.chosen_value};
    ops_expect_reals(t.s.c, ops_append(t.s.c, RK_OP_L2_SQUARES, in, 6, attr), squares, squares,
                     1e-6);
    ops_run(t.s.c, 1);
}

/* Of rows with all columns, and with a part of them whose sums are given. */
static void l2_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 2 * 2 * 3; v++) {
            l2_loss_by(i, v, 1);
            l2_loss_by(i, v, 2.5);
        }
    }
}

static void l2_squares(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 2 * 2 * 3; v++) {
            l2_squares_by(i, v);
        }
    }
}

const ops_entry ops_cases_l2[] = {
    {RK_OP_L2_LOSS, l2_loss},
    {RK_OP_L2_SQUARES, l2_squares},
    {RK_OP_COUNT, NULL},
};
