/*
 * Models that are solved for, popularity, item_knn, rp3beta, slim, ease and ials, fitted through the public API
 * and held against dense matrices in double: their tensors, and the scores of all users and items.
 *
 * The last user and the last item of the data have no train interactions: that user gets the items'
 * popularity, and that item scores -INFINITY.
 */
#include <math.h>

#include "train/fitted.h"

enum { USERS = 37, ITEMS = 24, MOST = 40 };

/* What a known user is to get: expected of those with train items, popularity of the last one. */
static void check_scores(const char *what, const rk_model *model, const fitted_data *d,
                         const double *expected, double bound)
{
    double *row = calloc((size_t)d->n_items, sizeof *row);
    for (int u = 0; u < d->n_users; u++) {
        bool is_cold = fitted_user_degree(d, u) == 0;
        for (int i = 0; i < d->n_items; i++) {
            int users = fitted_item_degree(d, i);
            row[i] = users == 0 ? -INFINITY : is_cold ? users : expected[u * d->n_items + i];
        }
        float *scores = fitted_user_scores(model, u);
        fitted_assert_near(what, scores, row, d->n_items, bound);
        free(scores);
    }
    free(row);
}

/* ---- popularity ---- */

static void check_popularity(const fitted_data *d, const char *half_life, double days)
{
    const char *settings[] = {"model.kind=popularity", half_life, NULL};
    fitted f = fitted_fit(d, settings);
    double latest = -INFINITY, *expected = calloc((size_t)d->n_items, sizeof *expected);
    for (int p = 0; p < d->n_users * d->n_items; p++) {
        latest = d->has[p] ? fmax(latest, d->times[p]) : latest;
    }
    for (int p = 0; p < d->n_users * d->n_items; p++) {
        if (d->has[p]) {
            expected[p % d->n_items] +=
                days > 0 ? pow(0.5, (latest - d->times[p]) / (days * 86400)) : 1;
        }
    }
    int64_t rows = 0, cols = 0;
    float *tensor = fitted_tensor(f.model, "scores", &rows, &cols);
    assert_int_equal(rows, d->n_items);
    assert_int_equal(cols, 1);
    fitted_assert_near("scores of popularity", tensor, expected, d->n_items, 1e-6);
    assert_true(rk_model_get_facts(f.model).is_same_for_all);
    for (int i = 0; i < d->n_items; i++) {
        expected[i] = fitted_item_degree(d, i) == 0 ? -INFINITY : expected[i];
    }
    for (int u = 0; u < d->n_users; u++) { /* the last one, too: it is known to this model */
        float *scores = fitted_user_scores(f.model, u);
        fitted_assert_near(half_life, scores, expected, d->n_items, 1e-6);
        free(scores);
    }
    free(tensor);
    free(expected);
    fitted_free(&f);
}

static void popularity_counts(void **unused)
{
    (void)unused;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    check_popularity(&d, "model.half_life=0", 0);
    check_popularity(&d, "model.half_life=0.5", 0.5);
    check_popularity(&d, "model.half_life=30", 30);
    fitted_data_free(&d);
}

/* ---- models that keep neighbours of items ---- */

typedef struct knn_rule {
    const char *similarity; /* model.similarity of item_knn, or another model.kind */
    double shrinkage;
    const char *more[2]; /* more settings */
} knn_rule;

static double user_weight(const fitted_data *d, int u)
{
    double idf = log(d->n_items) - log1p(fitted_user_degree(d, u));
    return idf * idf;
}

static double bm25_factor(const fitted_data *d, int i, double total)
{
    const double k1 = 1.2, b = 0.75;
    double length = 1 - b + b * fitted_item_degree(d, i) / (total / d->n_items);
    return (k1 + 1) / (k1 * length + 1);
}

/* The similarity of i, whose list it is, and j; 0 without users in common. */
static double similarity(const fitted_data *d, const knn_rule *rule, int i, int j, double total)
{
    double common = 0, weighted = 0, own = 0, other = 0, walks = 0, all = d->n_users;
    double n_i = fitted_item_degree(d, i), n_j = fitted_item_degree(d, j), value = 0;
    for (int u = 0; u < d->n_users; u++) {
        double weight = user_weight(d, u);
        bool a = d->has[u * d->n_items + i], b = d->has[u * d->n_items + j];
        common += a && b;
        weighted += a && b ? weight : 0;
        walks += a && b ? pow(fitted_user_degree(d, u), -0.7) : 0;
        own += a ? weight : 0;
        other += b ? weight : 0;
    }
    if (common == 0) {
        return 0;
    }
    switch (rule->similarity[0]) {
    case 'c':
        value = common / sqrt(n_i * n_j);
        break;
    case 'j':
        value = common / (n_i + n_j - common);
        break;
    case 't':
        value = weighted / sqrt(own * other);
        break;
    case 'b':
        value = weighted * bm25_factor(d, i, total) * bm25_factor(d, j, total);
        break;
    case 'r': /* rp3beta with model.walk_alpha 0.7 and model.walk_beta 0.4 */
        value = walks * pow(n_i, -0.7) * pow(n_j, -0.4);
        break;
    case 'a': /* with model.similarity_alpha 0.2 */
        value = common / (pow(n_i, 0.2) * pow(n_j, 0.8));
        break;
    default:
        value =
            (common - n_i * n_j / all) / sqrt((n_i - n_i * n_i / all) * (n_j - n_j * n_j / all));
    }
    return value * common / (common + rule->shrinkage);
}

/* Holds the model's lists against all similarities, and leaves S, dense, of exactly these lists:
 * where two neighbours are as near as rounding, either may be in. */
static void check_lists(const rk_model *model, const fitted_data *d, const knn_rule *rule, int k,
                        double *s)
{
    const int n = d->n_items;
    int32_t *neighbours = fitted_tensor(model, "neighbours", NULL, NULL);
    float *values = fitted_tensor(model, "similarities", NULL, NULL);
    double total = 0;
    for (int u = 0; u < d->n_users; u++) {
        total += fitted_user_degree(d, u);
    }
    memset(s, 0, (size_t)(n * n) * sizeof *s);
    for (int i = 0; i < n; i++) {
        bool is_listed[MOST] = {false};
        double last = INFINITY;
        int listed = 0;
        for (; listed < k && neighbours[i * k + listed] >= 0; listed++) {
            int j = neighbours[i * k + listed];
            double value = similarity(d, rule, i, j, total);
            assert_true(j != i && !is_listed[j]);
            assert_close((double)values[i * k + listed], value, 1e-5, 0);
            assert_true(value > 0 && value <= last * (1 + 1e-6));
            is_listed[j] = true;
            s[i * n + j] = last = value;
        }
        for (int e = listed; e < k; e++) {
            assert_int_equal(neighbours[i * k + e], -1);
            assert_true(values[i * k + e] == 0);
        }
        for (int j = 0; j < n; j++) { /* nobody better is left out */
            double value = j == i || is_listed[j] ? 0 : similarity(d, rule, i, j, total);
            assert_true(value <= (listed < k ? 1e-12 : last * (1 + 1e-6)));
        }
    }
    free(neighbours);
    free(values);
}

static void expected_scores(const fitted_data *d, const double *s, const char *aggregate,
                            double *out)
{
    const int n = d->n_items;
    bool is_liked = strncmp(aggregate, "liked", 5) == 0, has_mean = strcmp(aggregate, "bars") == 0;
    bool is_unit = has_mean || strcmp(aggregate, "target_l1") == 0;
    bool is_liked_unit = strcmp(aggregate, "liked_l1") == 0;
    double *total = calloc((size_t)n, sizeof *total);
    for (int e = 0; e < n * n; e++) {
        total[e / n] += s[e];
    }
    for (int u = 0; u < d->n_users; u++) {
        for (int c = 0; c < n; c++) {
            double sum = 0, row = 0, mean = (double)fitted_item_degree(d, c) / d->n_users;
            for (int j = 0; j < n; j++) {
                double m = has_mean ? (double)fitted_item_degree(d, j) / d->n_users : 0;
                double x = d->has[u * n + j] - m;
                double of_liked = s[j * n + c] / (is_liked_unit && total[j] > 0 ? total[j] : 1);
                sum += x * (is_liked ? of_liked : s[c * n + j]);
                row += s[c * n + j];
            }
            out[u * n + c] = (is_unit && row > 0 ? sum / row : sum) + (has_mean ? mean : 0);
        }
    }
    free(total);
}

static void check_knn(const fitted_data *d, const knn_rule *rule, int k)
{
    static const char *const aggregates[] = {"liked", "liked_l1", "target", "target_l1", "bars"};
    const bool is_knn = !strchr("r", rule->similarity[0]);
    double *s = calloc((size_t)(d->n_items * d->n_items), sizeof *s);
    double *expected = calloc((size_t)(d->n_users * d->n_items), sizeof *expected);
    for (int a = 0; a < 5; a++) {
        char kind[64], aggregate[64], neighbours[64], shrinkage[64], what[128];
        snprintf(kind, sizeof kind, is_knn ? "model.similarity=%s" : "model.kind=%s",
                 rule->similarity);
        snprintf(aggregate, sizeof aggregate, "model.aggregate=%s", aggregates[a]);
        snprintf(neighbours, sizeof neighbours, "model.neighbours=%d", k);
        snprintf(shrinkage, sizeof shrinkage, "model.shrinkage=%g", rule->shrinkage);
        snprintf(what, sizeof what, "%s %s", rule->similarity, aggregates[a]);
        const char *settings[] = {
            "model.kind=item_knn", kind, aggregate, neighbours, is_knn ? shrinkage : rule->more[1],
            rule->more[0],         NULL};
        fitted f = fitted_fit(d, settings);
        check_lists(f.model, d, rule, k, s);
        expected_scores(d, s, aggregates[a], expected);
        check_scores(what, f.model, d, expected, 1e-5);
        fitted_free(&f);
    }
    free(s);
    free(expected);
}

static void lists_of_neighbours_are_what_scores_add_up(void **unused)
{
    (void)unused;
    static const knn_rule rules[] = {
        {"cosine", 0, {NULL}},  {"cosine", 3, {NULL}},
        {"jaccard", 0, {NULL}}, {"tfidf", 0, {NULL}},
        {"bm25", 2.5, {NULL}},  {"asymmetric", 0, {"model.similarity_alpha=0.2"}},
        {"pearson", 0, {NULL}}, {"rp3beta", 0, {"model.walk_alpha=0.7", "model.walk_beta=0.4"}}};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        check_knn(&d, &rules[i], 5);
    }
    check_knn(&d, &rules[0], ITEMS - 1); /* as many as there can be: lists end early */
    fitted_data_free(&d);
}

/* ---- slim ---- */

/* The slope of |x_j - X w|^2 / 2 + l2 |w|^2 / 2 by -w_k, where W [n, n] holds column j. */
static double slope_of(const fitted_data *d, const double *w, int k, int j, double l2)
{
    const int n = d->n_items;
    double slope = -l2 * w[k * n + j];
    for (int u = 0; u < d->n_users; u++) {
        if (d->has[u * n + k]) {
            double left = d->has[u * n + j];
            for (int m = 0; m < n; m++) {
                left -= d->has[u * n + m] ? w[m * n + j] : 0;
            }
            slope += left;
        }
    }
    return slope;
}

/* The weights are the only ones from which no direction goes down, and scores are x W. */
static void check_slim(const fitted_data *d, double l1, double l2, bool has_negative)
{
    const int n = d->n_items, k = n - 1;
    char first[32], second[32], third[48];
    snprintf(first, sizeof first, "model.l1=%g", l1);
    snprintf(second, sizeof second, "model.l2=%g", l2);
    snprintf(third, sizeof third, "model.negative_weights=%s", has_negative ? "true" : "false");
    const char *settings[] = {"model.kind=slim",
                              "model.neighbours=23",
                              "model.tolerance=1e-13",
                              first,
                              second,
                              third,
                              NULL};
    fitted f = fitted_fit(d, settings);
    int32_t *items = fitted_tensor(f.model, "neighbours", NULL, NULL);
    float *values = fitted_tensor(f.model, "similarities", NULL, NULL);
    double *w = calloc((size_t)(n * n), sizeof *w);
    double *expected = calloc((size_t)(d->n_users * n), sizeof *expected);
    int below = 0, above = 0;
    for (int e = 0; e < n * k; e++) {
        if (items[e] >= 0) {
            w[items[e] * n + e / k] = (double)values[e];
            below += values[e] < 0;
            above += values[e] > 0;
        }
    }
    assert_true(above > n && (below > 0) == has_negative);
    for (int e = 0; e < n * n; e++) {
        double slope = slope_of(d, w, e / n, e % n, l2);
        if (w[e] != 0) {
            assert_true(e / n != e % n);
            assert_true(fabs(slope - (w[e] > 0 ? l1 : -l1)) < 1e-3);
        } else if (e / n != e % n) {
            assert_true((has_negative ? fabs(slope) : slope) < l1 + 1e-3);
        }
    }
    for (int p = 0; p < d->n_users * n; p++) {
        for (int j = 0; j < n; j++) {
            expected[p] += d->has[p / n * n + j] ? w[j * n + p % n] : 0;
        }
    }
    check_scores("slim", f.model, d, expected, 1e-5);
    free(w);
    free(expected);
    free(items);
    free(values);
    fitted_free(&f);
}

static void slim_is_where_nothing_gets_better(void **unused)
{
    (void)unused;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    check_slim(&d, 0.8, 3, false);
    check_slim(&d, 0, 20, false);
    check_slim(&d, 0.4, 3, true);
    fitted_data_free(&d);
}

/* ---- ease ---- */

/* B by the items, whatever the model goes by. */
static double *ease_weights(const fitted_data *d, double l2, double *inverse)
{
    const int n = d->n_items;
    double *b = calloc((size_t)(n * n), sizeof *b);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double both = i == j ? l2 : 0;
            for (int u = 0; u < d->n_users; u++) {
                both += d->has[u * n + i] && d->has[u * n + j];
            }
            inverse[i * n + j] = both;
        }
    }
    fitted_invert(inverse, n);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            b[i * n + j] = i == j ? 0 : -inverse[i * n + j] / inverse[j * n + j];
        }
    }
    return b;
}

static void check_ease_users(const rk_model *model, const fitted_data *d, double l2,
                             const double *inverse)
{
    const int n = d->n_users;
    double *k = calloc((size_t)(n * n), sizeof *k), factor[MOST];
    int64_t rows = 0;
    float *tensor = fitted_tensor(model, "ease.users", &rows, NULL);
    float *factors = fitted_tensor(model, "ease.factor", NULL, NULL);
    assert_int_equal(rows, n);
    for (int u = 0; u < n; u++) {
        for (int v = 0; v < n; v++) {
            k[u * n + v] = u == v ? l2 : 0;
            for (int i = 0; i < d->n_items; i++) {
                k[u * n + v] += d->has[u * d->n_items + i] && d->has[v * d->n_items + i];
            }
        }
    }
    fitted_invert(k, n);
    fitted_assert_near("ease.users", tensor, k, n * n, 1e-4);
    for (int i = 0; i < d->n_items; i++) {
        factor[i] = -1 / inverse[i * d->n_items + i];
    }
    fitted_assert_near("ease.factor", factors, factor, d->n_items, 1e-4);
    free(tensor);
    free(factors);
    free(k);
}

static void check_ease(int n_users, int n_items, const char *setting, double l2)
{
    const char *settings[] = {"model.kind=ease", setting, NULL};
    fitted_data d;
    fitted_data_init(&d, n_users, n_items, true);
    fitted f = fitted_fit(&d, settings);
    double *inverse = calloc((size_t)(n_items * n_items), sizeof *inverse);
    double *expected = calloc((size_t)(n_users * n_items), sizeof *expected);
    double *b = ease_weights(&d, l2, inverse);
    if (n_users < n_items) {
        check_ease_users(f.model, &d, l2, inverse);
    } else {
        float *tensor = fitted_tensor(f.model, "ease.items", NULL, NULL);
        fitted_assert_near("ease.items", tensor, b, n_items * n_items, 1e-4);
        free(tensor);
    }
    for (int p = 0; p < n_users * n_items; p++) {
        for (int j = 0; j < n_items; j++) {
            expected[p] += d.has[p / n_items * n_items + j] * b[j * n_items + p % n_items];
        }
    }
    check_scores(setting, f.model, &d, expected, 1e-4);
    free(inverse);
    free(expected);
    free(b);
    fitted_free(&f);
    fitted_data_free(&d);
}

static void ease_is_the_same_through_either_side(void **unused)
{
    (void)unused;
    static const int sizes[][2] = {{37, 24}, {24, 24}, {23, 24}, {15, 38}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_ease(sizes[i][0], sizes[i][1], "model.l2=0.7", 0.7);
        check_ease(sizes[i][0], sizes[i][1], "model.l2=12", 12);
        check_ease(sizes[i][0], sizes[i][1], "model.l2=-1", 100); /* its own */
    }
}

/* ---- ials ---- */

enum { DIM = 6, SWEEPS = 3 };

typedef struct als_case {
    const char *settings[6];
    bool is_frequency;
    double l2, weight; /* of what is not observed, or the confidence */
    int cg_steps;      /* 0: Cholesky */
    bool by_values;    /* model.weigh_by */
} als_case;

static double value_of(int user, int item)
{
    return 0.25 + (user * 7 + item * 3) % 11 * 0.5;
}

static void multiply(const double *a, const double *x, double *y)
{
    for (int i = 0; i < DIM; i++) {
        y[i] = 0;
        for (int j = 0; j < DIM; j++) {
            y[i] += a[i * DIM + j] * x[j];
        }
    }
}

static double dot(const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < DIM; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

/* Hestenes and Stiefel 1952, from x as it is. */
static void conjugate_gradients(const double *a, const double *b, double *x, int steps)
{
    double r[DIM], p[DIM], ap[DIM];
    multiply(a, x, ap);
    for (int i = 0; i < DIM; i++) {
        p[i] = r[i] = b[i] - ap[i];
    }
    double rr = dot(r, r);
    for (int step = 0; step < steps && rr > 1e-20; step++) {
        multiply(a, p, ap);
        double alpha = rr / dot(p, ap), before = rr;
        for (int i = 0; i < DIM; i++) {
            x[i] += alpha * p[i];
            r[i] -= alpha * ap[i];
        }
        rr = dot(r, r);
        for (int i = 0; i < DIM; i++) {
            p[i] = r[i] + rr / before * p[i];
        }
    }
}

static bool is_pair(const fitted_data *d, bool of_users, int row, int other)
{
    return of_users ? d->has[row * d->n_items + other] : d->has[other * d->n_items + row];
}

/* Solves one row of the users or of the items; other [n_other, DIM]. */
static void solve_row(const fitted_data *d, const als_case *c, bool of_users, int row,
                      const double *other, const double *gram, double *x)
{
    const int n_other = of_users ? d->n_items : d->n_users;
    double a[DIM * DIM], b[DIM] = {0}, entries = 0;
    for (int e = 0; e < DIM * DIM; e++) {
        a[e] = (c->is_frequency ? c->weight : 1) * gram[e];
    }
    for (int o = 0; o < n_other; o++) {
        const double *v = other + o * DIM;
        double value = of_users ? value_of(row, o) : value_of(o, row);
        double weight = (c->is_frequency ? 1 : c->weight) * (c->by_values ? value : 1);
        for (int i = 0; i < DIM && is_pair(d, of_users, row, o); i++) {
            entries += i == 0;
            b[i] += weight * v[i];
            for (int j = 0; j < DIM; j++) {
                a[i * DIM + j] += (c->is_frequency ? weight : weight - 1) * v[i] * v[j];
            }
        }
    }
    for (int i = 0; i < DIM; i++) {
        a[i * DIM + i] += c->is_frequency ? c->l2 * (entries + c->weight * n_other) : c->l2;
    }
    if (entries == 0) {
        memset(x, 0, DIM * sizeof *x);
    } else if (c->cg_steps > 0) {
        conjugate_gradients(a, b, x, c->cg_steps);
    } else {
        fitted_invert(a, DIM);
        multiply(a, b, x);
    }
}

static void solve_side(const fitted_data *d, const als_case *c, bool of_users, double *factors)
{
    const int n = of_users ? d->n_users : d->n_items, n_other = of_users ? d->n_items : d->n_users;
    double *own = factors + (of_users ? 0 : d->n_users * DIM);
    const double *other = factors + (of_users ? d->n_users * DIM : 0);
    double gram[DIM * DIM] = {0};
    for (int o = 0; o < n_other; o++) {
        for (int e = 0; e < DIM * DIM; e++) {
            gram[e] += other[o * DIM + e / DIM] * other[o * DIM + e % DIM];
        }
    }
    for (int row = 0; row < n; row++) {
        solve_row(d, c, of_users, row, other, gram, own + row * DIM);
    }
}

static fitted fit_ials(const fitted_data *d, const als_case *c, const char *epochs)
{
    const char *settings[12] = {"model.kind=ials", "model.dim=6", epochs,
                                c->by_values ? "model.weigh_by=value" : "model.weigh_by=none"};
    for (int i = 0; c->settings[i]; i++) {
        settings[4 + i] = c->settings[i];
    }
    return fitted_fit(d, settings);
}

static void check_ials(const fitted_data *d, const als_case *c)
{
    const int n = d->n_users + d->n_items;
    fitted start = fit_ials(d, c, "train.epochs=0"), end = fit_ials(d, c, "train.epochs=3");
    float *drawn = fitted_tensor(start.model, "factors", NULL, NULL);
    float *found = fitted_tensor(end.model, "factors", NULL, NULL);
    double *factors = calloc((size_t)(n * DIM), sizeof *factors);
    double *expected = calloc((size_t)(d->n_users * d->n_items), sizeof *expected);
    for (int e = 0; e < n * DIM; e++) {
        factors[e] = (double)drawn[e];
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        solve_side(d, c, true, factors);
        solve_side(d, c, false, factors);
    }
    fitted_assert_near(c->settings[0], found, factors, n * DIM, 1e-4);
    for (int p = 0; p < d->n_users * d->n_items; p++) {
        expected[p] =
            dot(factors + p / d->n_items * DIM, factors + (d->n_users + p % d->n_items) * DIM);
    }
    if (!c->by_values) { /* who is folded in says the weights of the items */
        check_scores(c->settings[0], end.model, d, expected, 1e-4);
    }
    free(drawn);
    free(found);
    free(factors);
    free(expected);
    fitted_free(&start);
    fitted_free(&end);
}

static void ials_sweeps_as_dense_equations_do(void **unused)
{
    (void)unused;
    static const als_case cases[] = {
        {{"model.weighting=frequency", NULL}, true, 0.003, 0.01, 0, false},
        {{"model.unobserved_weight=0.3", "model.l2=0.05", NULL}, true, 0.05, 0.3, 0, false},
        {{"model.solver=cg", "model.unobserved_weight=0.3", "model.l2=0.05", NULL},
         true,
         0.05,
         0.3,
         3,
         false},
        {{"model.weighting=confidence", "model.l2=0.01", NULL}, false, 0.01, 20, 0, false},
        {{"model.weighting=confidence", "model.l2=0.5", "model.confidence=3", NULL},
         false,
         0.5,
         3,
         0,
         false},
        {{"model.weighting=confidence", "model.solver=cg", "model.cg_steps=2", "model.l2=0.5",
          "model.confidence=3", NULL},
         false,
         0.5,
         3,
         2,
         false},
        {{"model.unobserved_weight=0.3", "model.l2=0.05", NULL}, true, 0.05, 0.3, 0, true},
        {{"model.weighting=confidence", "model.l2=0.5", "model.confidence=3", NULL},
         false,
         0.5,
         3,
         0,
         true},
        {{"model.weighting=confidence", "model.solver=cg", "model.l2=0.5", "model.confidence=6",
          NULL},
         false,
         0.5,
         6,
         3,
         true},
    };
    fitted_data d;
    for (int shape = 0; shape < 2; shape++) {
        fitted_data_init(&d, shape == 0 ? USERS : 15, shape == 0 ? ITEMS : 30, true);
        double *values = calloc((size_t)d.columns.n, sizeof *values);
        for (int64_t k = 0; k < d.columns.n; k++) {
            values[k] = value_of((int)d.users[k], (int)d.items[k]);
        }
        d.columns.values = values;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            check_ials(&d, &cases[i]);
        }
        free(values);
        fitted_data_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popularity_counts),
        cmocka_unit_test(lists_of_neighbours_are_what_scores_add_up),
        cmocka_unit_test(slim_is_where_nothing_gets_better),
        cmocka_unit_test(ease_is_the_same_through_either_side),
        cmocka_unit_test(ials_sweeps_as_dense_equations_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
