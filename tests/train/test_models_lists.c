/*
 * Models of items and users that are near: item_knn, rp3beta, slim, turbo_cf and user_knn, fitted
 * through the public API and held against dense matrices in double: their tensors, and the scores
 * of all users and items.
 */
#include <math.h>

#include "train/fitted.h"

enum { USERS = 37, ITEMS = 24, MOST = 40 };

/* ---- neighbours by common users ---- */

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
        fitted_check_scores(what, f.model, d, expected, 1e-5);
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

/* The weights are the only ones from which no direction goes down, and scores are x W. per_user:
 * penalties of the mean, and all weights are kept, by the options for that. */
static void check_slim(const fitted_data *d, double l1, double l2, bool has_negative, bool per_user)
{
    const int n = d->n_items, k = n - 1;
    const double share = per_user ? d->n_users : 1;
    char first[48], second[48], third[48];
    snprintf(first, sizeof first, "model.l1=%.17g", l1 / share);
    snprintf(second, sizeof second, "model.l2=%.17g", l2 / share);
    snprintf(third, sizeof third, "model.negative_weights=%s", has_negative ? "true" : "false");
    const char *settings[] = {"model.kind=slim",
                              per_user ? "model.neighbours=0" : "model.neighbours=23",
                              "model.tolerance=1e-13",
                              first,
                              second,
                              third,
                              per_user ? "model.penalty_per_user=true" : NULL,
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
    fitted_check_scores("slim", f.model, d, expected, 1e-5);
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
    check_slim(&d, 0.8, 3, false, false);
    check_slim(&d, 0, 20, false, true);
    check_slim(&d, 0.4, 3, true, false);
    check_slim(&d, 0.4, 3, true, true);
    fitted_data_free(&d);
}

/* ---- turbo_cf ---- */

/* y P of a row: P_ij = (sum over users of both of n_u^-2a, times (n_i n_j)^(a - 1))^power. */
static void filter(const fitted_data *d, double alpha, double power, const double *y, double *out)
{
    const int n = d->n_items;
    for (int j = 0; j < n; j++) {
        out[j] = 0;
        for (int i = 0; i < n; i++) {
            double both = 0;
            for (int u = 0; u < d->n_users; u++) {
                bool has_both = d->has[u * n + i] && d->has[u * n + j];
                both += has_both ? pow(fitted_user_degree(d, u), -2 * alpha) : 0;
            }
            double sizes = (double)fitted_item_degree(d, i) * fitted_item_degree(d, j);
            out[j] += both > 0 ? y[i] * pow(both * pow(sizes, alpha - 1), power) : 0;
        }
    }
}

static void check_turbo(const fitted_data *d, double alpha, double power, int order)
{
    static const double weights[3][3] = {{1, 0, 0}, {2, -1, 0}, {1 - 0.29, 0.1, -0.01}};
    const int n = d->n_items;
    char first[40], second[40], third[40];
    snprintf(first, sizeof first, "model.filter_alpha=%g", alpha);
    snprintf(second, sizeof second, "model.filter_power=%g", power);
    snprintf(third, sizeof third, "model.filter_order=%d", order);
    const char *settings[] = {"model.kind=turbo_cf",
                              first,
                              second,
                              third,
                              power == 1 ? NULL : "model.neighbours=23",
                              NULL};
    fitted f = fitted_fit(d, settings);
    double *expected = calloc((size_t)(d->n_users * n), sizeof *expected);
    double y[2][MOST];
    for (int u = 0; u < d->n_users; u++) {
        for (int i = 0; i < n; i++) {
            y[0][i] = d->has[u * n + i];
        }
        for (int k = 0; k < order; k++) {
            filter(d, alpha, power, y[k % 2], y[1 - k % 2]);
            for (int i = 0; i < n; i++) {
                expected[u * n + i] += weights[order - 1][k] * y[1 - k % 2][i];
            }
        }
    }
    fitted_check_scores(second, f.model, d, expected, 1e-5);
    free(expected);
    fitted_free(&f);
}

/* With a power of 1 the whole filter, through the users; else as many neighbours as there are, and
 * the item itself, are all of it. */
static void turbo_cf_filters_the_graph_of_items(void **unused)
{
    (void)unused;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (int order = 1; order <= 3; order++) {
        check_turbo(&d, 0.6, 1, order);
        check_turbo(&d, 0.4, 0.7, order);
    }
    fitted_data_free(&d);
}

/* ---- user_knn ---- */

typedef struct near_user {
    double value;
    int user;
} near_user;

static int nearest_first(const void *left, const void *right)
{
    const near_user *a = left, *b = right;
    if ((float)a->value != (float)b->value) {
        return a->value < b->value ? 1 : -1;
    }
    return a->user - b->user;
}

static double value_of(int user, int item)
{
    return 1 + (user * 3 + item * 5) % 4;
}

static double user_similarity(const fitted_data *d, char kind, int u, int v)
{
    const int n = d->n_items;
    double both = 0, a = fitted_user_degree(d, u), b = fitted_user_degree(d, v), all = n;
    for (int i = 0; i < n; i++) {
        both += d->has[u * n + i] && d->has[v * n + i];
    }
    if (both == 0) {
        return 0;
    }
    return kind == 'c'   ? both / sqrt(a * b)
           : kind == 'j' ? both / (a + b - both) * (both / (both + 2)) /* model.shrinkage 2 */
                         : (both - a * b / all) / sqrt((a - a * a / all) * (b - b * b / all));
}

static void check_user_knn(const fitted_data *d, const char *similarity, bool weighs, bool is_mean)
{
    const int n = d->n_items, k = 6;
    char kind[40], what[64];
    snprintf(kind, sizeof kind, "model.similarity=%s", similarity);
    snprintf(what, sizeof what, "user_knn %s, values %d, mean %d", similarity, weighs, is_mean);
    const char *settings[] = {"model.kind=user_knn",
                              "model.neighbours=6",
                              similarity[0] == 'j' ? "model.shrinkage=2" : "model.shrinkage=0",
                              kind,
                              weighs ? "model.weigh_by=value" : "model.weigh_by=none",
                              is_mean ? "model.user_aggregate=mean" : "model.user_aggregate=sum",
                              NULL};
    fitted f = fitted_fit(d, settings);
    double *expected = calloc((size_t)(d->n_users * n), sizeof *expected);
    for (int u = 0; u < d->n_users; u++) {
        near_user all[MOST] = {{0, 0}};
        for (int v = 0; v < d->n_users; v++) {
            all[v] = (near_user){v == u ? 0 : user_similarity(d, similarity[0], u, v), v};
        }
        qsort(all, (size_t)d->n_users, sizeof *all, nearest_first);
        for (int i = 0; i < n; i++) {
            double sum = 0, total = 0;
            for (int j = 0; j < k && all[j].value > 0; j++) {
                int p = all[j].user * n + i;
                sum += d->has[p] ? all[j].value * (weighs ? value_of(all[j].user, i) : 1) : 0;
                total += d->has[p] ? all[j].value : 0;
            }
            expected[u * n + i] = is_mean && total > 0 ? sum / total : sum;
        }
    }
    fitted_check_scores(what, f.model, d, expected, 1e-5);
    rk_recommendation similar[4];
    const int32_t item = 2;
    assert_fails(RK_ERR_CONFIG, "does not know which items are alike",
                 rk_model_similar(f.model, &item, 1, NULL, 4, similar));
    rk_reason reasons[2];
    rk_explanation explanation;
    assert_fails(
        RK_ERR_CONFIG, "model user_knn has no reasons",
        rk_model_explain(f.model, &(rk_query){.user = 3}, &item, 1, 2, reasons, &explanation));
    free(expected);
    fitted_free(&f);
}

static void user_knn_adds_up_what_the_nearest_have(void **unused)
{
    (void)unused;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    double *values = calloc((size_t)d.columns.n, sizeof *values);
    for (int64_t k = 0; k < d.columns.n; k++) {
        values[k] = value_of((int)d.users[k], (int)d.items[k]);
    }
    d.columns.values = values;
    check_user_knn(&d, "cosine", false, false);
    check_user_knn(&d, "cosine", true, false);
    check_user_knn(&d, "jaccard", true, true);
    check_user_knn(&d, "pearson", false, false);
    free(values);
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_neighbours_are_what_scores_add_up),
        cmocka_unit_test(slim_is_where_nothing_gets_better),
        cmocka_unit_test(turbo_cf_filters_the_graph_of_items),
        cmocka_unit_test(user_knn_adds_up_what_the_nearest_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
