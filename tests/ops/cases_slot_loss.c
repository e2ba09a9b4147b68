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
    float *weight; /* of each triplet; NULL = 1 */
    bool has_dots; /* they are given, and the table is not what they are of */
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

/* ---- dot products ---- */

/* float [batch, 1 + m]; of no meaning behind the triplets. */
static float *dots_of(const setting *t)
{
    const int64_t width = 1 + t->m;
    float *dots = ops_memory(t->s.c, t->s.b.batch * width, sizeof *dots);
    for (int64_t b = 0; b < t->s.b.triplets; b++) {
        for (int64_t k = 0; k < width; k++) {
            dots[b * width + k] =
                (float)dot(t, t->s.b.slot_row[b], t->s.b.slot_row[item_slot(t, b, k)]);
        }
    }
    return dots;
}

static rk_value input_dots(const setting *t)
{
    return ops_input(t->s.c, RK_F32, t->s.b.batch, 1 + t->m, dots_of(t));
}

/* A table of as many rows that says nothing. */
static rk_value other_table(const setting *t)
{
    const int64_t rows = t->s.b.capacity;
    return ops_input(t->s.c, RK_F32, rows, 1, ops_memory(t->s.c, rows, sizeof(float)));
}

static void slot_dots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("slot_dots", i, 0, false);
        const int64_t width = 1 + t.m, n = t.s.b.batch * width;
        double *y = ops_doubles(t.s.c, n), *size = ops_doubles(t.s.c, n);
        for (int64_t b = 0; b < t.s.b.triplets; b++) {
            for (int64_t k = 0; k < width; k++) {
                const float *user = t.s.x + t.s.b.slot_row[b] * t.s.d;
                const float *item = t.s.x + t.s.b.slot_row[item_slot(&t, b, k)] * t.s.d;
                for (int64_t j = 0; j < t.s.d; j++) {
                    ops_add(&y[b * width + k], &size[b * width + k],
                            (double)user[j] * (double)item[j]);
                }
            }
        }
        rk_value in[] = {t.s.x_value, t.s.set.slot_row, t.s.state};
        rk_attr attr = {.batch = t.s.b.batch};
        ops_expect_reals(t.s.c, ops_append(t.s.c, RK_OP_SLOT_DOTS, in, 3, attr), y, size, 1e-6);
        ops_run(t.s.c, 1);
    }
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
        rk_value in[] = {other_table(&t), t.s.set.slot_row, t.s.state, input_dots(&t)};
        rk_attr attr = {.batch = t.s.b.batch};
        ops_expect_exactly(t.s.c, ops_append(t.s.c, RK_OP_SELECT_NEGATIVES, in, 4, attr), expected);
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

/* The term of a triplet, as the papers write it, times its weight: of ccl and bce only the part of
 * the positive; `nearest`: the distance to a kink. */
static double term_of(const rk_slot_rule *r, const double *s, int64_t m, const double *beta,
                      double weight, double *nearest)
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
        return -weight * log(exp(s[0] / r->temperature) / pow(sum, r->power));
    }
    return r->kind == RK_LOSS_CCL || r->kind == RK_LOSS_BCE ? weight * own + sum : weight * sum;
}

/* The number among a triplet's items of the k-th that counts; 0 is the positive. */
static int64_t counted(const setting *t, int64_t b, int64_t k)
{
    return k > 0 && t->chosen ? 1 + t->chosen[b] : k;
}

/* Scores and factors of the 1 + n items of a triplet that count, and the largest a score can be
 * off. */
static double scores_of(const setting *t, int64_t b, int64_t n, double *s, double *beta)
{
    double rounding = 0;
    for (int64_t k = 0; k <= n; k++) {
        int64_t slot = item_slot(t, b, counted(t, b, k));
        int64_t row = t->s.b.slot_row[slot], user = t->s.b.slot_row[b];
        s[k] = dot(t, user, row);
        beta[k] = (double)t->factor[t->s.b.nodes[b]] * (double)t->factor[t->s.b.nodes[slot]];
        rounding = fmax(rounding, sqrt(dot(t, user, user) * dot(t, row, row)));
    }
    return rounding;
}

static void slot_loss_by(const rk_slot_rule *rule, setting t)
{
    double *loss = ops_doubles(t.s.c, 1), *size = ops_doubles(t.s.c, 1);
    int64_t width = 1 + t.m, n = t.chosen ? 1 : t.m;
    double *by_score = ops_doubles(t.s.c, t.s.b.batch * width);
    double *tolerance = ops_doubles(t.s.c, t.s.b.batch * width);
    double *s = ops_doubles(t.s.c, width), *beta = ops_doubles(t.s.c, width);
    for (int64_t b = 0; b < t.s.b.triplets; b++) {
        double nearest = 1, ignored = 1, rounding = scores_of(&t, b, n, s, beta), h = 1e-5;
        double weight = t.weight ? (double)t.weight[b] : 1, triplets = (double)t.s.b.triplets;
        double term = term_of(rule, s, n, beta, weight, &nearest);
        assert_true(nearest > 4 * h); /* else the case is to be changed */
        ops_add(loss, size, term / triplets);
        *size += 20 * fmax(weight, 1) * rounding / triplets;
        for (int64_t k = 0; k <= n; k++) {
            double here = s[k];
            s[k] = here + h;
            double above = term_of(rule, s, n, beta, weight, &ignored);
            s[k] = here - h;
            double below = term_of(rule, s, n, beta, weight, &ignored);
            s[k] = here;
            int64_t at = b * width + counted(&t, b, k);
            by_score[at] = (above - below) / (2 * h) / triplets;
            tolerance[at] = (fabs(by_score[at]) * (1 + rounding) + 1e-4) / triplets + 1e-5;
            tolerance[at] *= fmax(weight, 1);
        }
    }
    rk_value in[] = {t.has_dots ? other_table(&t) : t.s.x_value,
                     t.s.set.slot_row,
                     t.s.set.rows,
                     t.s.state,
                     ops_input(t.s.c, RK_F32, t.s.n_nodes, 1, t.factor),
                     t.chosen_value,
                     t.weight ? ops_input(t.s.c, RK_F32, t.s.b.batch, 1, t.weight) : RK_NONE,
                     t.has_dots ? input_dots(&t) : RK_NONE};
    rk_attr attr = {.slot = {.batch = t.s.b.batch, .rule = *rule}};
    rk_value out = ops_append(t.s.c, RK_OP_SLOT_LOSS, in, t.has_dots ? 8 : 7, attr);
    ops_expect_reals(t.s.c, out, loss, size, 1e-6);
    ops_expect_reals(t.s.c, out + 1, by_score, tolerance, 1e-5);
    ops_run(t.s.c, 1);
}

static setting weighed(setting t)
{
    t.weight = ops_reals(t.s.c, t.s.b.batch, &t.s.r);
    for (int64_t b = 0; b < t.s.b.batch; b++) {
        t.weight[b] = 0.1f + 2 * fabsf(t.weight[b]);
    }
    return t;
}

static setting with_dots(setting t)
{
    t.has_dots = true;
    return t;
}

static void slot_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < N_RULES; v++) {
            slot_loss_by(&rules[v], begin("slot_loss", i, v, false));
            slot_loss_by(&rules[v], begin("slot_loss of chosen", i, v, true));
            slot_loss_by(&rules[v], with_dots(begin("slot_loss by dots", i, v, i % 2 == 0)));
            slot_loss_by(&rules[v], weighed(begin("slot_loss by weights", i, v, i % 2 == 0)));
        }
    }
}

/* Derivatives of a term by its 1 + m scores, by central differences; 0 and a term of 0 of what is
 * no triplet of the step. */
static void score_loss_by(const rk_slot_rule *rule, setting t)
{
    const int64_t width = 1 + t.m, n = t.s.b.batch * width;
    float *given = ops_reals(t.s.c, n, &t.s.r);
    double *loss = ops_doubles(t.s.c, 1), *size = ops_doubles(t.s.c, 1);
    double *by_score = ops_doubles(t.s.c, n), *tolerance = ops_doubles(t.s.c, n);
    double *s = ops_doubles(t.s.c, width), *beta = ops_doubles(t.s.c, width);
    for (int64_t b = 0; b < t.s.b.triplets; b++) {
        double nearest = 1, ignored = 1, h = 1e-5, triplets = (double)t.s.b.triplets;
        double weight = t.weight ? (double)t.weight[b] : 1;
        for (int64_t k = 0; k < width; k++) {
            s[k] = (double)given[b * width + k];
        }
        double term = term_of(rule, s, t.m, beta, weight, &nearest);
        assert_true(nearest > 4 * h); /* else the case is to be changed */
        ops_add(loss, size, term / triplets);
        for (int64_t k = 0; k < width; k++) {
            double here = s[k];
            s[k] = here + h;
            double above = term_of(rule, s, t.m, beta, weight, &ignored);
            s[k] = here - h;
            double below = term_of(rule, s, t.m, beta, weight, &ignored);
            s[k] = here;
            by_score[b * width + k] = (above - below) / (2 * h) / triplets;
            tolerance[b * width + k] = fmax(weight, 1) * 15;
        }
    }
    rk_value in[] = {ops_input(t.s.c, RK_F32, t.s.b.batch, width, given), t.s.state, RK_NONE,
                     t.weight ? ops_input(t.s.c, RK_F32, t.s.b.batch, 1, t.weight) : RK_NONE};
    rk_attr attr = {.slot = {.batch = t.s.b.batch, .rule = *rule}};
    rk_value out = ops_append(t.s.c, RK_OP_SCORE_LOSS, in, 4, attr);
    ops_expect_reals(t.s.c, out, loss, size, 1e-6);
    ops_expect_reals(t.s.c, out + 1, by_score, tolerance, 1e-6);
    ops_run(t.s.c, 1);
}

static void score_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < N_RULES; v++) {
            setting t = begin("score_loss", i, v, false);
            score_loss_by(&rules[v], (i + v) % 2 ? weighed(t) : t);
        }
    }
}

/* Of scores and labels. */
static void score_loss_of_labels(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        setting t = begin("score_loss of labels", i, 0, false);
        t = i % 2 ? weighed(t) : t;
        const int64_t n = t.s.b.batch, used = t.s.b.triplets;
        float *given = ops_reals(t.s.c, n, &t.s.r), *labels = ops_reals(t.s.c, n, &t.s.r);
        double *loss = ops_doubles(t.s.c, 1), *size = ops_doubles(t.s.c, 1);
        double *by_score = ops_doubles(t.s.c, n), *by_size = ops_doubles(t.s.c, n);
        for (int64_t b = 0; b < used; b++) {
            double distance = (double)given[b] - (double)labels[b];
            double weight = (t.weight ? (double)t.weight[b] : 1) / (double)used;
            ops_add(loss, size, weight * distance * distance);
            by_score[b] = 2 * weight * distance;
            by_size[b] = fabs(by_score[b]);
        }
        rk_value in[] = {ops_input(t.s.c, RK_F32, n, 1, given), t.s.state,
                         ops_input(t.s.c, RK_F32, n, 1, labels),
                         t.weight ? ops_input(t.s.c, RK_F32, n, 1, t.weight) : RK_NONE};
        rk_attr attr = {.slot = {.batch = n}};
        rk_value out = ops_append(t.s.c, RK_OP_SCORE_LOSS, in, 4, attr);
        ops_expect_reals(t.s.c, out, loss, size, 1e-9);
        ops_expect_reals(t.s.c, out + 1, by_score, by_size, 1e-6);
        ops_run(t.s.c, 1);
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

/* Margins so large that a careless softplus overflows or loses everything. */
static void slot_loss_extremes(void)
{
    enum { B = 4 };
    static const float scores[B] = {200, -200, 3e4f, -3e4f}; /* of the negative; positives 0 */
    ops_case *c = ops_begin("slot_loss of extreme scores");
    ops_batch b = {.batch = B,
                   .candidates = 1,
                   .triplets = B,
                   .slots = 3 * B,
                   .capacity = 3 * B,
                   .count = 3 * B};
    float *x = ops_memory(c, b.capacity, sizeof *x);
    int32_t *slots = ops_memory(c, b.capacity + 1, sizeof *slots);
    double *loss = ops_doubles(c, 1), *by = ops_doubles(c, 2 * B), *one = ops_doubles(c, 2 * B);
    for (int s = 0; s < 3 * B; s++) {
        x[s] = s < B ? 1 : s < 2 * B ? 0 : scores[s - 2 * B];
        slots[s] = s;
    }
    slots[b.capacity] = 3 * B;
    for (int i = 0; i < B; i++) {
        loss[0] += fmax((double)scores[i], 0) / B + log1p(exp(-fabs((double)scores[i]))) / B;
        by[2 * i + 1] = 1 / (1 + exp(-(double)scores[i])) / B;
        by[2 * i] = -by[2 * i + 1];
        one[2 * i] = one[2 * i + 1] = 1;
    }
    b.rows = b.map = b.slot_row = b.segments = b.order = slots;
    rk_row_set set = ops_batch_inputs(c, &b, b.capacity);
    rk_step_state state = ops_state(&b);
    rk_program *p = ops_program(c);
    rk__slot_loss(
        p, ops_input(c, RK_F32, b.capacity, 1, x), set,
        (rk_slot_inputs){ops_variable(c, RK_STATE, 1, 1, &state), RK_NONE, RK_NONE, RK_NONE}, false,
        (rk_slot_attr){.batch = B, .rule = {.kind = RK_LOSS_BPR}});
    ops_expect_reals(c, p->terms[0].value, loss, loss, 1e-9);
    ops_expect_reals(c, p->terms[0].value + 1, by, one, 1e-7);
    ops_run(c, 1);
}

const ops_entry ops_cases_slot_loss[] = {
    {RK_OP_SLOT_DOTS, slot_dots},   {RK_OP_SELECT_NEGATIVES, select_negatives},
    {RK_OP_SLOT_LOSS, slot_loss},   {RK_OP_SLOT_LOSS, slot_loss_extremes},
    {RK_OP_SCORE_LOSS, score_loss}, {RK_OP_SCORE_LOSS, score_loss_of_labels},
    {RK_OP_SLOT_GRAD, slot_grad},   {RK_OP_COUNT, NULL},
};
