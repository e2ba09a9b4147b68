/* Losses that compare a batch with itself: their parts against naive loops over all pairs. */
#include "ops/naive.h"

static const ops_shape shapes[] = {
    {1, 2, 1, 1, 0, 1},        {5, 4, 7, 7, 0, 3},          {30, 20, 33, 33, 0, 16},
    {30, 20, 33, 10, 1, 20},   {200, 300, 150, 150, 0, 64}, {40, 50, 64, 0, 0, 65},
    {40, 50, 100, 99, 2, 130}, {40, 50, 40, 1, 0, 8},       {400, 500, 600, 590, 0, 13},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static const double TEMPERATURE = 0.15, POWER = 0.84;

/* ---- unit_slots ---- */

/* Rows of the set; the first one is zero. */
static float *make_rows(ops_scene *t)
{
    float *x = ops_reals(t->c, t->b.capacity * t->d, &t->r);
    for (int64_t j = 0; j < t->d; j++) {
        x[j] = 0;
    }
    return x;
}

static double inverse_length(const ops_scene *t, const float *x, int64_t row)
{
    double length = sqrt(naive_dot(x + row * t->d, x + row * t->d, t->d));
    return length > 0 ? 1 / length : 0;
}

static void unit_slots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 4; v++) {
            ops_scene t = ops_begin_scene("unit_slots", shapes, i, v);
            bool cosine = v % 2, has_table = v / 2;
            float *x = make_rows(&t), *table = ops_reals(t.c, t.n_nodes, &t.r);
            double *unit = ops_doubles(t.c, t.b.slots * t.d), *bias = ops_doubles(t.c, t.b.slots);
            for (int64_t s = 0; s < t.b.slots; s++) {
                int64_t row = t.b.slot_row[s];
                bias[s] = row < 0     ? (double)RK_NO_LOGIT
                          : has_table ? (double)table[t.b.nodes[s]]
                                      : 0;
                for (int64_t j = 0; j < t.d && row >= 0; j++) {
                    double scale = cosine ? inverse_length(&t, x, row) : 1;
                    unit[s * t.d + j] = scale * (double)x[row * t.d + j];
                }
            }
            double *size = ops_doubles(t.c, t.b.slots * t.d);
            for (int64_t j = 0; j < t.b.slots * t.d; j++) {
                size[j] = fabs(unit[j]);
            }
            rk_value values = ops_input(t.c, RK_F32, t.b.capacity, t.d, x);
            rk_value biases = has_table ? ops_input(t.c, RK_F32, t.n_nodes, 1, table) : RK_NONE;
            rk_unit_values out = rk__unit_slots(ops_program(t.c), values, t.set, biases, cosine);
            double *one = ops_doubles(t.c, t.b.slots);
            for (int64_t s = 0; s < t.b.slots; s++) {
                one[s] = fabs(bias[s]);
            }
            ops_expect_reals(t.c, out.unit, unit, size, 1e-6);
            ops_expect_reals(t.c, out.bias, bias, one, 0);
            ops_run(t.c, 1);
        }
    }
}

/* The chain rule row by row, element by element: d unit_k / d x_j = (delta - u_k u_j) / |x|. */
static void unit_slots_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 2; v++) {
            ops_scene t = ops_begin_scene("unit_slots_grad", shapes, i, v);
            int64_t n = t.b.slots * t.d;
            float *x = make_rows(&t), *g = ops_reals(t.c, n, &t.r), *unit = ops_reals(t.c, n, &t.r);
            int64_t n_rows = t.b.capacity * t.d;
            double *y = ops_doubles(t.c, n_rows), *size = ops_doubles(t.c, n_rows), alpha = 0.75;
            for (int64_t s = 0; s < t.b.slots; s++) {
                int64_t row = t.b.slot_row[s];
                double scale = row < 0 ? 0 : inverse_length(&t, x, row);
                for (int64_t k = 0; k < t.d && row >= 0; k++) {
                    unit[s * t.d + k] = (float)(scale * (double)x[row * t.d + k]);
                    double gk = alpha * (double)g[s * t.d + k];
                    double uk = scale * (double)x[row * t.d + k];
                    ops_add(&y[row * t.d + k], &size[row * t.d + k], v ? gk * scale : gk);
                    for (int64_t j = 0; j < t.d && v; j++) {
                        double uj = scale * (double)x[row * t.d + j];
                        ops_add(&y[row * t.d + j], &size[row * t.d + j], -gk * uk * uj * scale);
                    }
                }
            }
            rk_value in[] = {ops_input(t.c, RK_F32, t.b.capacity, t.d, x),
                             ops_input(t.c, RK_F32, t.b.slots, t.d, unit),
                             ops_input(t.c, RK_F32, t.b.slots, t.d, g),
                             t.set.segments,
                             t.set.order,
                             t.set.count};
            rk_attr attr = {.unit = {.cosine = v, .alpha = (float)alpha}};
            rk_value out = ops_append(t.c, RK_OP_UNIT_SLOTS_GRAD, in, 6, attr);
            ops_expect_reals(t.c, out, y, size, 4e-6);
            ops_run(t.c, 1);
        }
    }
}

/* ---- softmax ---- */

/* What the loss is computed from, with the attention of users to items and what follows from it. */
typedef struct softmax {
    float *unit, *bias, *lse, *mean, *user_bias;
    double temperature;
    bool exclude_positive;
    naive_attended of_users;
    rk_softmax_attr attr;
} softmax;

static float *rounded(ops_case *c, const double *x, int64_t n)
{
    float *out = ops_memory(c, n, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)x[i];
    }
    return out;
}

static softmax make_softmax(ops_scene *t, int variant)
{
    int64_t batch = t->b.batch;
    softmax s = {.unit = ops_reals(t->c, t->b.slots * t->d, &t->r),
                 .bias = ops_reals(t->c, t->b.slots, &t->r),
                 .user_bias = ops_memory(t->c, t->b.slots, sizeof(float)),
                 .temperature = TEMPERATURE * sqrt((double)t->d),
                 .exclude_positive = variant % 2 == 0,
                 .attr = {.batch = batch, .power = variant < 2 ? 1 : POWER}};
    for (int64_t slot = 0; slot < t->b.slots; slot++) {
        s.bias[slot] = t->b.nodes[slot] < 0 ? RK_NO_LOGIT : s.bias[slot];
    }
    rk_attend_attr a = {.first_key = batch,
                        .n = batch,
                        .temperature = s.temperature,
                        .skip_diagonal = s.exclude_positive};
    s.of_users = naive_attention(t->c, s.unit, s.bias, t->d, &a);
    s.lse = rounded(t->c, s.of_users.lse, batch);
    s.mean = rounded(t->c, s.of_users.mean, batch * t->d);
    for (int64_t slot = 0; slot < t->b.slots; slot++) {
        bool has_term = slot < t->b.triplets && rk__is_logit(s.lse[slot]);
        s.user_bias[slot] = has_term ? -s.lse[slot] : RK_NO_LOGIT;
    }
    return s;
}

static double score(const ops_scene *t, const softmax *s, int64_t user, int64_t item)
{
    const float *a = s->unit + user * t->d, *b = s->unit + (t->b.batch + item) * t->d;
    return naive_dot(a, b, t->d) / s->temperature + (double)s->bias[t->b.batch + item];
}

static void softmax_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 4; v++) {
            ops_scene t = ops_begin_scene("softmax_loss", shapes, i, v);
            softmax s = make_softmax(&t, v);
            double *loss = ops_doubles(t.c, 1), *size = ops_doubles(t.c, 1);
            double *bias = ops_doubles(t.c, t.b.slots), *one = ops_doubles(t.c, t.b.slots);
            for (int64_t slot = 0; slot < t.b.slots; slot++) {
                bias[slot] = (double)s.user_bias[slot];
                one[slot] = fabs(bias[slot]);
                if (rk__is_logit(s.user_bias[slot])) {
                    double n = (double)t.b.triplets;
                    ops_add(loss, size, s.attr.power * (double)s.lse[slot] / n);
                    ops_add(loss, size, -s.of_users.own[slot] / n);
                }
            }
            rk_value in[] = {ops_input(t.c, RK_F32, t.b.slots, t.d, s.unit),
                             ops_input(t.c, RK_F32, t.b.slots, 1, s.bias),
                             ops_input(t.c, RK_F32, t.b.batch, 1, s.lse),
                             ops_input(t.c, RK_F32, t.b.batch, t.d, s.mean),
                             ops_input(t.c, RK_F64, t.b.batch, 1, s.of_users.own),
                             t.state};
            rk_attr attr = {.softmax = s.attr};
            rk_value out = ops_append(t.c, RK_OP_SOFTMAX_LOSS, in, 6, attr);
            ops_expect_reals(t.c, out, loss, size, 1e-6);
            ops_expect_reals(t.c, out + 1, bias, one, 0);
            ops_run(t.c, 1);
        }
    }
}

/* d loss / d unit by the chain rule, pair by pair; the attention of items to users, which the
 * operation is given, is made from the same weights. */
static void softmax_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 4; v++) {
            ops_scene t = ops_begin_scene("softmax_grad", shapes, i, v);
            softmax s = make_softmax(&t, v);
            int64_t batch = t.b.batch, d = t.d, n = t.b.slots * d;
            double *y = ops_doubles(t.c, n), *size = ops_doubles(t.c, n);
            rk_attend_attr back = {.first_query = batch,
                                   .n = batch,
                                   .temperature = s.temperature,
                                   .skip_diagonal = s.exclude_positive};
            naive_attended of_items = naive_attention(t.c, s.unit, s.user_bias, d, &back);
            for (int64_t b = 0; b < t.b.triplets; b++) {
                for (int64_t j = 0; j < t.b.triplets && rk__is_logit(s.user_bias[b]); j++) {
                    bool in_sum = !(s.exclude_positive && j == b);
                    double w = in_sum ? exp(score(&t, &s, b, j) - s.of_users.lse[b]) : 0;
                    double by = s.temperature * (double)t.b.triplets;
                    for (int64_t k = 0; k < d; k++) {
                        int64_t user = b * d + k, item = (batch + j) * d + k;
                        double u = (double)s.unit[user], p = (double)s.unit[item];
                        ops_add(&y[user], &size[user], s.attr.power * w * p / by);
                        ops_add(&y[item], &size[item], s.attr.power * w * u / by);
                        if (j == b) {
                            ops_add(&y[user], &size[user], -p / by);
                            ops_add(&y[item], &size[item], -u / by);
                        }
                    }
                }
            }
            rk_value in[] = {
                ops_input(t.c, RK_F32, t.b.slots, d, s.unit),
                ops_input(t.c, RK_F32, t.b.slots, 1, s.bias),
                ops_input(t.c, RK_F32, batch, d, s.mean),
                ops_input(t.c, RK_F32, t.b.slots, 1, s.user_bias),
                ops_input(t.c, RK_F32, batch, 1, rounded(t.c, of_items.lse, batch)),
                ops_input(t.c, RK_F32, batch, d, rounded(t.c, of_items.mean, batch * d)),
                t.state};
            rk_attr attr = {.softmax = s.attr};
            attr.softmax.temperature = s.temperature;
            rk_value out = ops_append(t.c, RK_OP_SOFTMAX_GRAD, in, 7, attr);
            ops_expect_reals(t.c, out, y, size, 1e-5);
            ops_run(t.c, 1);
        }
    }
}

/* ---- alignment and uniformity ---- */

/* Unit rows by slot, and the attention of each kind to itself. */
typedef struct sphere {
    float *unit;
    double *lse[2], *mean[2];
    double total[2]; /* log of the sum over all pairs, both ways */
} sphere;

static sphere make_sphere(ops_scene *t)
{
    int64_t batch = t->b.batch, d = t->d;
    sphere s = {.unit = ops_reals(t->c, t->b.slots * d, &t->r)};
    float *bias = ops_memory(t->c, t->b.slots, sizeof *bias);
    for (int64_t slot = 0; slot < t->b.slots; slot++) {
        float *row = s.unit + slot * d;
        double length = sqrt(naive_dot(row, row, d));
        bias[slot] = t->b.nodes[slot] < 0 ? RK_NO_LOGIT : 0;
        for (int64_t j = 0; j < d; j++) {
            row[j] = (float)((double)row[j] / length);
        }
    }
    for (int kind = 0; kind < 2; kind++) {
        rk_attend_attr a = {.first_query = kind * batch,
                            .first_key = kind * batch,
                            .n = batch,
                            .temperature = 0.25,
                            .skip_diagonal = true};
        double sum = 0;
        naive_attended pairs = naive_attention(t->c, s.unit, bias, d, &a);
        s.lse[kind] = pairs.lse;
        s.mean[kind] = pairs.mean;
        for (int64_t b = 0; b < t->b.triplets; b++) {
            sum += exp(s.lse[kind][b]);
        }
        s.total[kind] = sum > 0 ? log(sum) : (double)RK_NO_LOGIT;
    }
    return s;
}

/* |x - y|^2 of the rows of two slots. */
static double distance(const sphere *s, int64_t d, int64_t x, int64_t y)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++) {
        double difference = (double)s->unit[x * d + j] - (double)s->unit[y * d + j];
        sum += difference * difference;
    }
    return sum;
}

static int sphere_inputs(ops_scene *t, const sphere *s, rk_value *in)
{
    int64_t batch = t->b.batch, d = t->d;
    int n = 0;
    in[n++] = ops_input(t->c, RK_F32, t->b.slots, d, s->unit);
    for (int kind = 0; kind < 2; kind++) {
        in[n++] = ops_input(t->c, RK_F32, batch, 1, rounded(t->c, s->lse[kind], batch));
        in[n++] = ops_input(t->c, RK_F32, batch, d, rounded(t->c, s->mean[kind], batch * d));
    }
    in[n++] = t->state;
    return n;
}

static void align_uniform_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_scene t = ops_begin_scene("align_uniform_loss", shapes, i, 0);
        sphere s = make_sphere(&t);
        double *loss = ops_doubles(t.c, 1), *size = ops_doubles(t.c, 1), weight = 0.6;
        double *total = ops_doubles(t.c, 2), *one = ops_doubles(t.c, 2);
        int64_t n = t.b.triplets;
        for (int64_t b = 0; b < n; b++) {
            double term = distance(&s, t.d, b, t.b.batch + b) / (double)n;
            ops_add(loss, size, term);
        }
        for (int kind = 0; kind < 2; kind++) {
            double sum = 0;
            for (int64_t a = 0; a < n; a++) {
                for (int64_t b = 0; b < a; b++) {
                    int64_t first = kind * t.b.batch;
                    sum += exp(-2 * distance(&s, t.d, first + a, first + b));
                }
            }
            if (n > 1) {
                ops_add(loss, size, weight / 2 * log(sum / ((double)n * (double)(n - 1) / 2)));
            }
            total[kind] = s.total[kind];
            one[kind] = fabs(total[kind]) + 4;
        }
        *size += 4;
        rk_value in[6];
        rk_attr attr = {.align = {.batch = t.b.batch, .uniformity = weight}};
        rk_value out =
            ops_append(t.c, RK_OP_ALIGN_UNIFORM_LOSS, in, sphere_inputs(&t, &s, in), attr);
        ops_expect_reals(t.c, out, loss, size, 1e-6);
        ops_expect_reals(t.c, out + 1, total, one, 1e-6);
        ops_run(t.c, 1);
    }
}

static void align_uniform_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_scene t = ops_begin_scene("align_uniform_grad", shapes, i, 0);
        sphere s = make_sphere(&t);
        int64_t d = t.d, batch = t.b.batch, n = t.b.triplets;
        double *y = ops_doubles(t.c, t.b.slots * d), *size = ops_doubles(t.c, t.b.slots * d);
        double weight = 0.6;
        for (int64_t slot = 0; slot < 2 * batch; slot++) {
            int kind = slot >= batch;
            int64_t b = slot - kind * batch, other = kind ? b : batch + b;
            for (int64_t k = 0; k < d && b < n; k++) {
                double *to = &y[slot * d + k], *size_to = &size[slot * d + k];
                ops_add(to, size_to, 2 * (double)s.unit[slot * d + k] / (double)n);
                ops_add(to, size_to, -2 * (double)s.unit[other * d + k] / (double)n);
                for (int64_t a = 0; a < n; a++) {
                    /* of weight / 2 log Z, Z over ordered pairs: 2 * 4 e_ab / Z each */
                    const float *x = s.unit + slot * d, *z = s.unit + (kind * batch + a) * d;
                    double e = a == b ? 0 : exp(4 * naive_dot(x, z, d) - s.total[kind]);
                    ops_add(to, size_to, weight / 2 * 8 * e * (double)z[k]);
                }
            }
        }
        rk_value in[7];
        int n_inputs = sphere_inputs(&t, &s, in);
        in[n_inputs++] = ops_input(t.c, RK_F32, 2, 1, rounded(t.c, s.total, 2));
        rk_attr attr = {.align = {.batch = batch, .uniformity = weight}};
        rk_value out = ops_append(t.c, RK_OP_ALIGN_UNIFORM_GRAD, in, n_inputs, attr);
        ops_expect_reals(t.c, out, y, size, 1e-5);
        ops_run(t.c, 1);
    }
}

const ops_entry ops_cases_batch_loss[] = {
    {RK_OP_UNIT_SLOTS, unit_slots},
    {RK_OP_UNIT_SLOTS_GRAD, unit_slots_grad},
    {RK_OP_SOFTMAX_LOSS, softmax_loss},
    {RK_OP_SOFTMAX_GRAD, softmax_grad},
    {RK_OP_ALIGN_UNIFORM_LOSS, align_uniform_loss},
    {RK_OP_ALIGN_UNIFORM_GRAD, align_uniform_grad},
    {RK_OP_COUNT, NULL},
};
