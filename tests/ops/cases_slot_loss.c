/* Losses over drawn negatives: derivatives by scores against difference quotients of the formulas
 * in double, gradients pair by pair. */
#include <math.h>

#include "ops/harness.h"

static const struct slot_shape {
    int64_t users, items, batch, triplets, candidates, d;
} shapes[] = {
    {1, 2, 1, 1, 1, 1},        {5, 4, 7, 7, 3, 3},     {30, 20, 33, 10, 1, 20},
    {60, 80, 50, 50, 40, 16},  {40, 50, 64, 0, 2, 65}, {40, 50, 35, 34, 7, 130},
    {200, 90, 20, 20, 65, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct setting {
    ops_case *c;
    ops_batch b;
    rk_row_set set;
    rk_value state, x_value;
    int64_t d, m, n_nodes;
    float *x, *factor; /* factor by node */
    ops_random r;
} setting;

static setting begin(const char *what, int i, int variant)
{
    const struct slot_shape *s = &shapes[i];
    setting t = {.c = ops_begin("%s, shape %d, variant %d", what, i, variant),
                 .d = s->d,
                 .m = s->candidates,
                 .n_nodes = s->users + s->items,
                 .r = {(uint64_t)(i + 100 * variant + 7)}};
    t.b = ops_make_batch(t.c, s->users, s->items, s->batch, s->candidates, s->triplets, &t.r);
    t.set = ops_batch_inputs(t.c, &t.b, t.n_nodes);
    rk_step_state state = ops_state(&t.b);
    t.state = ops_variable(t.c, RK_STATE, 1, 1, &state);
    t.x = ops_reals(t.c, t.b.capacity * s->d, &t.r);
    t.x_value = ops_input(t.c, RK_F32, t.b.capacity, s->d, t.x);
    t.factor = ops_reals(t.c, t.n_nodes, &t.r);
    for (int64_t j = 0; j < t.n_nodes; j++) {
        t.factor[j] = 1 + t.factor[j] / 2;
    }
    return t;
}

static double dot(const setting *t, int64_t row_a, int64_t row_b)
{
    double sum = 0;
    for (int64_t j = 0; j < t->d; j++) {
        sum += (double)t->x[row_a * t->d + j] * (double)t->x[row_b * t->d + j];
    }
    return sum;
}

static int64_t item_slot(const setting *t, int64_t triplet, int64_t k)
{
    return k == 0 ? t->b.batch + triplet : 2 * t->b.batch + triplet * t->m + k - 1;
}

/* ---- losses ---- */

static const rk_slot_rule rules[] = {
    {.kind = RK_LOSS_BPR},
    {.kind = RK_LOSS_HINGE, .margin = 0.5},
    {.kind = RK_LOSS_CCL, .margin = 0.2, .negative_weight = 15},
    {.kind = RK_LOSS_BCE,
     .negative_weight = 3,
     .positive_weights = {0.5, 2},
     .negative_weights = {0.25, 1}},
    {.kind = RK_LOSS_SOFTMAX, .temperature = 0.7, .power = 1},
    {.kind = RK_LOSS_SOFTMAX, .temperature = 1.5, .power = 0.84, .exclude_positive = true},
};
enum { N_RULES = sizeof rules / sizeof rules[0] };

/* The term of a triplet, as the papers write it; `nearest`: the distance to a kink. */
static double term_of(const rk_slot_rule *r, const double *s, int64_t m, const double *beta,
                      double *nearest)
{
    double sum = 0, own = 0;
    for (int64_t k = 1; k <= m; k++) {
        double hinge = r->kind == RK_LOSS_CCL ? s[k] - r->margin : r->margin + s[k] - s[0];
        switch (r->kind) {
        case RK_LOSS_BPR:
            sum += -log(1 / (1 + exp(-(s[0] - s[k])))) / (double)m;
            break;
        case RK_LOSS_HINGE:
        case RK_LOSS_CCL:
            sum += fmax(0, hinge) / (double)m * (r->kind == RK_LOSS_CCL ? r->negative_weight : 1);
            *nearest = fmin(*nearest, fabs(hinge));
            break;
        case RK_LOSS_BCE:
            sum += -r->negative_weight *
                   (r->negative_weights[0] + r->negative_weights[1] * beta[k]) *
                   log(1 - 1 / (1 + exp(-s[k]))) / (double)m;
            break;
        default:
            sum += exp(s[k] / r->temperature);
        }
    }
    if (r->kind == RK_LOSS_CCL) {
        own = 1 - s[0];
    } else if (r->kind == RK_LOSS_BCE) {
        own = -(r->positive_weights[0] + r->positive_weights[1] * beta[0]) *
              log(1 / (1 + exp(-s[0])));
    } else if (r->kind == RK_LOSS_SOFTMAX) {
        sum += r->exclude_positive ? 0 : exp(s[0] / r->temperature);
        return -log(exp(s[0] / r->temperature) / pow(sum, r->power));
    }
    return own + sum;
}

/* Scores and factors of a triplet, and the largest a score can be off. */
static double scores_of(const setting *t, int64_t b, double *s, double *beta)
{
    double rounding = 0;
    for (int64_t k = 0; k <= t->m; k++) {
        int64_t slot = item_slot(t, b, k), row = t->b.slot_row[slot], user = t->b.slot_row[b];
        s[k] = dot(t, user, row);
        beta[k] = (double)t->factor[t->b.nodes[b]] * (double)t->factor[t->b.nodes[slot]];
        rounding = fmax(rounding, sqrt(dot(t, user, user) * dot(t, row, row)));
    }
    return rounding;
}

static void slot_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < N_RULES; v++) {
            setting t = begin("slot_loss", i, v);
            const rk_slot_rule *rule = &rules[v];
            double *loss = ops_doubles(t.c, 1), *size = ops_doubles(t.c, 1);
            int64_t width = 1 + t.m;
            double *by_score = ops_doubles(t.c, t.b.batch * width);
            double *tolerance = ops_doubles(t.c, t.b.batch * width);
            double *s = ops_doubles(t.c, width), *beta = ops_doubles(t.c, width);
            for (int64_t b = 0; b < t.b.triplets; b++) {
                double nearest = 1, ignored = 1, rounding = scores_of(&t, b, s, beta), h = 1e-5;
                double term = term_of(rule, s, t.m, beta, &nearest), n = (double)t.b.triplets;
                assert_true(nearest > 4 * h); /* else the case is to be changed */
                ops_add(loss, size, term / n);
                *size += 20 * rounding / n;
                for (int64_t k = 0; k < width; k++) {
                    double here = s[k];
                    s[k] = here + h;
                    double above = term_of(rule, s, t.m, beta, &ignored);
                    s[k] = here - h;
                    double below = term_of(rule, s, t.m, beta, &ignored);
                    s[k] = here;
                    by_score[b * width + k] = (above - below) / (2 * h) / n;
                    tolerance[b * width + k] =
                        (fabs(by_score[b * width + k]) * (1 + rounding) + 1e-4) / n + 1e-5;
                }
            }
            rk_value in[] = {t.x_value, t.set.slot_row, t.set.rows, t.state,
                             ops_input(t.c, RK_F32, t.n_nodes, 1, t.factor)};
            rk_attr attr = {.slot = {.batch = t.b.batch, .rule = *rule}};
            rk_value out = ops_append(t.c, RK_OP_SLOT_LOSS, in, 5, attr);
            ops_expect_reals(t.c, out, loss, size, 1e-6);
            ops_expect_reals(t.c, out + 1, by_score, tolerance, 1e-5);
            ops_run(t.c, 1);
        }
    }
}

static void slot_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("slot_grad", i, 0);
        int64_t n = t.b.capacity * t.d, width = 1 + t.m;
        float *by_score = ops_reals(t.c, t.b.batch * width, &t.r);
        double *y = ops_doubles(t.c, n), *size = ops_doubles(t.c, n);
        for (int64_t b = 0; b < t.b.batch; b++) {
            for (int64_t k = 0; k < width; k++) {
                float *w = &by_score[b * width + k];
                *w = b < t.b.triplets && k % 3 != 2 ? *w : 0;
                if (*w != 0) {
                    int64_t user = t.b.slot_row[b] * t.d;
                    int64_t item = t.b.slot_row[item_slot(&t, b, k)] * t.d;
                    for (int64_t j = 0; j < t.d; j++) {
                        ops_add(&y[user + j], &size[user + j], (double)*w * (double)t.x[item + j]);
                        ops_add(&y[item + j], &size[item + j], (double)*w * (double)t.x[user + j]);
                    }
                }
            }
        }
        rk_value in[] = {t.x_value,      ops_input(t.c, RK_F32, t.b.batch, width, by_score),
                         t.set.slot_row, t.set.segments,
                         t.set.order,    t.set.count};
        rk_attr attr = {.slot = {.batch = t.b.batch}};
        ops_expect_reals(t.c, ops_append(t.c, RK_OP_SLOT_GRAD, in, 6, attr), y, size, 4e-6);
        ops_run(t.c, 1);
    }
}

const ops_entry ops_cases_slot_loss[] = {
    {RK_OP_SLOT_LOSS, slot_loss},
    {RK_OP_SLOT_GRAD, slot_grad},
    {RK_OP_COUNT, NULL},
};
