/* Losses over drawn negatives: derivatives by scores against difference quotients of the formulas
 * in double, gradients pair by pair. */
#include "ops/naive.h"

static const ops_shape shapes[] = {
    {1, 2, 1, 1, 1, 1},         {5, 4, 7, 7, 3, 3},          {30, 20, 33, 10, 1, 20},
    {60, 80, 50, 50, 40, 16},   {40, 50, 64, 0, 2, 65},      {40, 50, 35, 34, 7, 130},
    {200, 90, 20, 20, 65, 64},  {30, 20, 33, 33, 1, 16},     {200, 300, 150, 150, 1, 64},
    {40, 50, 300, 299, 1, 130}, {300, 400, 140, 131, 7, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct setting {
    ops_scene s;
    int64_t m;       /* candidates */
    float *factor;   /* by node */
    int32_t *chosen; /* of each triplet the candidate that counts, or -1; NULL = all count */
    rk_value chosen_value;
} setting;

static setting begin(const char *what, int i, int variant, bool choose)
{
    setting t = {.s = ops_begin_scene(what, shapes, i, variant), .chosen_value = RK_NONE};
    const ops_batch *b = &t.s.b;
    t.m = b->candidates;
    t.factor = ops_reals(t.s.c, t.s.n_nodes, &t.s.r);
    for (int64_t j = 0; j < t.s.n_nodes; j++) {
        t.factor[j] = 1 + t.factor[j] / 2;
    }
    if (choose) {
        t.chosen = ops_memory(t.s.c, b->batch, sizeof *t.chosen);
        for (int64_t k = 0; k < b->batch; k++) {
            t.chosen[k] = k < b->triplets ? (int32_t)ops_below(&t.s.r, t.m) : -1;
        }
        t.chosen_value = ops_input(t.s.c, RK_I32, b->batch, 1, t.chosen);
    }
    return t;
}

static double dot(const setting *t, int64_t row_a, int64_t row_b)
{
    return naive_dot(t->s.x + row_a * t->s.d, t->s.x + row_b * t->s.d, t->s.d);
}

static int64_t item_slot(const setting *t, int64_t triplet, int64_t k)
{
    return k == 0 ? t->s.b.batch + triplet : 2 * t->s.b.batch + triplet * t->m + k - 1;
}

/* ---- select_negatives ---- */

static void select_negatives(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("select_negatives", i, 0, false);
        for (int64_t j = 0; j < t.s.b.capacity * t.s.d; j++) {
            t.s.x[j] = (float)((int)(t.s.x[j] * 2)); /* exact scores with many ties */
        }
        int32_t *expected = ops_memory(t.s.c, t.s.b.batch, sizeof *expected);
        for (int64_t b = 0; b < t.s.b.batch; b++) {
            double best = -INFINITY;
            expected[b] = -1;
            for (int64_t k = 0; k < t.m && b < t.s.b.triplets; k++) {
                int64_t slot = 2 * t.s.b.batch + b * t.m + k;
                double score = dot(&t, t.s.b.slot_row[b], t.s.b.slot_row[slot]);
                if (score > best) {
                    best = score;
                    expected[b] = (int32_t)k;
                }
            }
        }
        rk_value x = ops_input(t.s.c, RK_F32, t.s.b.capacity, t.s.d, t.s.x);
        ops_expect_exactly(
            t.s.c, rk__select_negatives(ops_program(t.s.c), x, t.s.set, t.s.state, t.s.b.batch),
            expected);
        ops_run(t.s.c, 1);
    }
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
        int64_t slot = item_slot(t, b, k), row = t->s.b.slot_row[slot], user = t->s.b.slot_row[b];
        s[k] = dot(t, user, row);
        beta[k] = (double)t->factor[t->s.b.nodes[b]] * (double)t->factor[t->s.b.nodes[slot]];
        rounding = fmax(rounding, sqrt(dot(t, user, user) * dot(t, row, row)));
    }
    return rounding;
}

static void slot_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < N_RULES; v++) {
            setting t = begin("slot_loss", i, v, false);
            const rk_slot_rule *rule = &rules[v];
            double *loss = ops_doubles(t.s.c, 1), *size = ops_doubles(t.s.c, 1);
            int64_t width = 1 + t.m;
            double *by_score = ops_doubles(t.s.c, t.s.b.batch * width);
            double *tolerance = ops_doubles(t.s.c, t.s.b.batch * width);
            double *s = ops_doubles(t.s.c, width), *beta = ops_doubles(t.s.c, width);
            for (int64_t b = 0; b < t.s.b.triplets; b++) {
                double nearest = 1, ignored = 1, rounding = scores_of(&t, b, s, beta), h = 1e-5;
                double term = term_of(rule, s, t.m, beta, &nearest), n = (double)t.s.b.triplets;
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
            rk_value in[] = {t.s.x_value, t.s.set.slot_row, t.s.set.rows, t.s.state,
                             ops_input(t.s.c, RK_F32, t.s.n_nodes, 1, t.factor)};
            rk_attr attr = {.slot = {.batch = t.s.b.batch, .rule = *rule}};
            rk_value out = ops_append(t.s.c, RK_OP_SLOT_LOSS, in, 5, attr);
            ops_expect_reals(t.s.c, out, loss, size, 1e-6);
            ops_expect_reals(t.s.c, out + 1, by_score, tolerance, 1e-5);
            ops_run(t.s.c, 1);
        }
    }
}

static void slot_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("slot_grad", i, 0, false);
        int64_t n = t.s.b.capacity * t.s.d, width = 1 + t.m;
        float *by_score = ops_reals(t.s.c, t.s.b.batch * width, &t.s.r);
        double *y = ops_doubles(t.s.c, n), *size = ops_doubles(t.s.c, n);
        for (int64_t b = 0; b < t.s.b.batch; b++) {
            for (int64_t k = 0; k < width; k++) {
                float *w = &by_score[b * width + k];
                *w = b < t.s.b.triplets && k % 3 != 2 ? *w : 0;
                if (*w != 0) {
                    int64_t user = t.s.b.slot_row[b] * t.s.d;
                    int64_t item = t.s.b.slot_row[item_slot(&t, b, k)] * t.s.d;
                    for (int64_t j = 0; j < t.s.d; j++) {
                        ops_add(&y[user + j], &size[user + j],
                                (double)*w * (double)t.s.x[item + j]);
                        ops_add(&y[item + j], &size[item + j],
                                (double)*w * (double)t.s.x[user + j]);
                    }
                }
            }
        }
        rk_value in[] = {t.s.x_value,      ops_input(t.s.c, RK_F32, t.s.b.batch, width, by_score),
                         t.s.set.slot_row, t.s.set.segments,
                         t.s.set.order,    t.s.set.count};
        rk_attr attr = {.slot = {.batch = t.s.b.batch}};
        ops_expect_reals(t.s.c, ops_append(t.s.c, RK_OP_SLOT_GRAD, in, 6, attr), y, size, 4e-6);
        ops_run(t.s.c, 1);
    }
}

/* ---- BPR ---- */

/* The row of x of a triplet's user (0), positive (1) or chosen negative (2). */
static int64_t row_of(const setting *t, int64_t triplet, int which)
{
    int64_t chosen = t->chosen ? t->chosen[triplet] : 0;
    return t->s.b
        .slot_row[which == 0 ? triplet : item_slot(t, triplet, which == 1 ? 0 : 1 + chosen)];
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

static void bpr_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("bpr_loss", i, 0, shapes[i].candidates > 1);
        double *loss = ops_doubles(t.s.c, 1), *size = ops_doubles(t.s.c, 1);
        double *coefficient = ops_doubles(t.s.c, t.s.b.batch),
               *one = ops_doubles(t.s.c, t.s.b.batch);
        for (int64_t b = 0; b < t.s.b.triplets; b++) {
            double n = (double)t.s.b.triplets, x = margin(&t, b);
            ops_add(loss, size, log1p(exp(-fabs(x))) / n + fmax(x, 0) / n);
            coefficient[b] = sigmoid(x) / n;
            one[b] = 1 / n;
        }
        rk_program *p = ops_program(t.s.c);
        rk__bpr_loss(p, t.s.x_value, t.s.set, t.chosen_value, t.s.state, t.s.b.batch);
        rk_value value = p->n_losses > 0 ? p->losses[0].value : RK_NONE;
        ops_expect_reals(t.s.c, value, loss, size, 3e-6);
        ops_expect_reals(t.s.c, value + 1, coefficient, one, 3e-6);
        ops_run(t.s.c, 1);
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
    for (int64_t b = 0; b < t->s.b.triplets; b++) {
        double c = sigmoid(margin(t, b)) / (double)t->s.b.triplets;
        int64_t user = row_of(t, b, 0), positive = row_of(t, b, 1), negative = row_of(t, b, 2);
        for (int64_t j = 0; j < t->s.d; j++) {
            double u = (double)t->s.x[user * t->s.d + j];
            int64_t at = user * t->s.d + j;
            ops_add(&gradient[at], &size[at], c * (double)t->s.x[negative * t->s.d + j]);
            ops_add(&gradient[at], &size[at], -c * (double)t->s.x[positive * t->s.d + j]);
            ops_add(&gradient[positive * t->s.d + j], &size[positive * t->s.d + j], -c * u);
            ops_add(&gradient[negative * t->s.d + j], &size[negative * t->s.d + j], c * u);
        }
    }
}

static void bpr_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("bpr_grad", i, 0, shapes[i].candidates > 1);
        int64_t n = t.s.b.capacity * t.s.d;
        double *gradient = ops_doubles(t.s.c, n), *size = ops_doubles(t.s.c, n);
        bpr_gradient(&t, gradient, size);
        for (int64_t j = 0; j < n; j++) {
            size[j] += 1e-6; /* the coefficient's own rounding, where terms cancel */
        }
        float *coefficient = ops_memory(t.s.c, t.s.b.batch, sizeof *coefficient);
        for (int64_t b = 0; b < t.s.b.triplets; b++) {
            coefficient[b] = (float)(sigmoid(margin(&t, b)) / (double)t.s.b.triplets);
        }
        rk_value in[] = {t.s.x_value,      ops_input(t.s.c, RK_F32, t.s.b.batch, 1, coefficient),
                         t.s.set.slot_row, t.s.set.segments,
                         t.s.set.order,    t.s.set.count,
                         t.chosen_value};
        rk_value y = ops_append(t.s.c, RK_OP_BPR_GRAD, in, 7, (rk_attr){.batch = t.s.b.batch});
        ops_expect_reals(t.s.c, y, gradient, size, 2e-6);
        ops_run(t.s.c, 1);
    }
}

const ops_entry ops_cases_slot_loss[] = {
    {RK_OP_SELECT_NEGATIVES, select_negatives},
    {RK_OP_SLOT_LOSS, slot_loss},
    {RK_OP_SLOT_GRAD, slot_grad},
    {RK_OP_BPR_LOSS, bpr_loss},
    {RK_OP_BPR_LOSS, bpr_loss_extremes},
    {RK_OP_BPR_GRAD, bpr_grad},
    {RK_OP_COUNT, NULL},
};
