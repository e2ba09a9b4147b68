/*
 * Somebody who is known by a list of items only, asked of every kind of model.
 *
 * Where the mathematics says so, a list that holds the train items of a known user gives that
 * user's own scores and ranking: item_knn, ease, popularity, and ials behind a sweep of the users.
 * Models with a vector of each user fold in by their own propagation: it is held against a dense
 * one in double of a node that has these edges and no embedding of its own. How near that ranks to
 * the user's own vector is a property of the trained model, and has a loose bound only.
 */
#include <math.h>

#include "train/fitted.h"
#include "train/runs.h"

enum { USERS = 60, ITEMS = 60, TOP = 20, FEW = 10, MOST = 64 };

/* with_own: what somebody has already may be among it. */
static rk_recommendation *top_of(const rk_model *model, rk_query query, bool with_own)
{
    const rk_selection selection = {.seen = with_own ? 0 : 1U << RK_TRAIN, .keep_given = with_own};
    rk_recommendation *best = calloc(TOP, sizeof *best);
    assert_ok(rk_model_top_k(model, &query, 1, &selection, TOP, best));
    return best;
}

static double largest(const float *scores, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        most = isinf(scores[i]) ? most : fmax(most, fabs((double)scores[i]));
    }
    return most;
}

/* The same top TOP; where two scores are nearer than rounding, in either order. */
static void same_top(const char *what, const rk_model *model, int user, rk_query list,
                     const float *scores)
{
    rk_recommendation *a = top_of(model, (rk_query){.user = user}, true);
    rk_recommendation *b = top_of(model, list, true);
    double bound = 1e-5 * largest(scores, rk_model_get_facts(model).items);
    for (int i = 0; i < TOP; i++) {
        bool is_tie = a[i].item >= 0 && b[i].item >= 0 &&
                      fabs((double)(scores[a[i].item] - scores[b[i].item])) <= bound;
        if (a[i].item != b[i].item && !is_tie) {
            fail_msg("%s: rank %d of user %d is item %d, folded in item %d", what, i + 1, user,
                     a[i].item, b[i].item);
        }
    }
    free(a);
    free(b);
}

/* Every user with train items, by their list, in descending order for once. */
static void check_exact(const char *what, const rk_model *model, const fitted_data *d, double bound)
{
    int32_t items[MOST];
    double expected[MOST];
    assert_true(rk_model_get_facts(model).folds_in);
    for (int u = 0; u < d->n_users; u++) {
        int64_t n = fitted_train(d, u, items);
        for (int64_t i = 0; i < n / 2; i++) {
            int32_t item = items[i];
            items[i] = items[n - 1 - i];
            items[n - 1 - i] = item;
        }
        float *own = fitted_user_scores(model, u),
              *folded = fitted_list_scores(model, items, NULL, n);
        for (int i = 0; i < d->n_items; i++) {
            expected[i] = (double)own[i];
        }
        fitted_assert_near(what, folded, expected, d->n_items, bound);
        same_top(what, model, u, (rk_query){.user = -1, .items = items, .n_items = n}, own);
        free(own);
        free(folded);
    }
}

/* Scores are linear in the weights: those of a weighted list are the sum of those of its items. */
static void check_linear(const char *what, const rk_model *model, const fitted_data *d,
                         bool has_mean)
{
    static const int32_t items[] = {17, 3, 8, 30};
    static const float weights[] = {0.25F, 2, 0, 1.5F};
    double expected[MOST] = {0}, base[MOST] = {0};
    float *all = fitted_list_scores(model, items, weights, 4);
    for (int e = 0; e < 4; e++) {
        float *one = fitted_list_scores(model, items + e, NULL, 1);
        for (int i = 0; i < d->n_items; i++) {
            expected[i] += (double)(weights[e] * one[i]);
        }
        free(one);
    }
    if (has_mean) { /* of nothing: f(a) + f(b) - f(a + b) */
        float *a = fitted_list_scores(model, items, NULL, 1);
        float *b = fitted_list_scores(model, items + 1, NULL, 1);
        float *both = fitted_list_scores(model, items, NULL, 2);
        for (int i = 0; i < d->n_items; i++) {
            base[i] = (double)a[i] + (double)b[i] - (double)both[i];
        }
        free(a);
        free(b);
        free(both);
    }
    for (int i = 0; i < d->n_items; i++) {
        bool is_cold = fitted_item_degree(d, i) == 0;
        expected[i] = is_cold ? -INFINITY : expected[i] + base[i] * (1 - 0.25 - 2 - 1.5);
    }
    fitted_assert_near(what, all, expected, d->n_items, 2e-5);
    free(all);
}

static void lists_of_items_score_as_users_do(void **unused)
{
    (void)unused;
    static const char *const models[][4] = {
        {"model.kind=popularity", NULL},
        {"model.kind=popularity", "model.half_life=20", NULL},
        {"model.kind=item_knn", "model.neighbours=12", "model.aggregate=liked", NULL},
        {"model.kind=item_knn", "model.neighbours=12", "model.aggregate=target", NULL},
        {"model.kind=item_knn", "model.neighbours=12", "model.aggregate=target_l1", NULL},
        {"model.kind=item_knn", "model.neighbours=12", "model.aggregate=bars", NULL},
        {"model.kind=rp3beta", "model.neighbours=12", "model.aggregate=liked_l1", NULL},
        {"model.kind=slim", "model.neighbours=12", "model.l1=0.3", NULL},
        {"model.kind=turbo_cf", "model.filter_order=2", "model.filter_alpha=0.5", NULL},
        {"model.kind=turbo_cf", "model.filter_power=0.7", "model.neighbours=20", NULL},
        {"model.kind=gf_cf", "model.dim=6", NULL},
        {"model.kind=pure_svd", "model.dim=6", NULL},
        {"model.kind=ease", "model.l2=8", NULL}};
    fitted_data d;
    for (int shape = 0; shape < 2; shape++) { /* ease by the items, then by the users */
        fitted_data_init(&d, shape == 0 ? USERS : 45, ITEMS, true);
        for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
            const char *what = models[i][2] ? models[i][2] : models[i][0];
            fitted f = fitted_fit(&d, models[i]);
            check_exact(what, f.model, &d, 1e-5);
            if (i >= 2) {
                check_linear(what, f.model, &d, strcmp(what, "model.aggregate=bars") == 0);
            }
            fitted_free(&f);
        }
        fitted_data_free(&d);
    }
}

/* ---- vectors of nodes, in double ---- */

typedef struct nodes {
    const fitted_data *d;
    int n_users, n_items, dim;
    double *degree; /* [users + items] */
    double *x;      /* [users + items, dim], layer by layer */
} nodes;

static double *read_table(const rk_model *model, const char *name, int64_t *cols)
{
    int64_t rows = 0;
    float *values = fitted_tensor(model, name, &rows, cols);
    double *out = calloc((size_t)(rows * *cols), sizeof *out);
    for (int64_t e = 0; e < rows * *cols; e++) {
        out[e] = (double)values[e];
    }
    free(values);
    return out;
}

static nodes nodes_of(const rk_model *model, const fitted_data *d)
{
    int64_t cols = 0;
    nodes n = {.d = d, .n_users = d->n_users, .n_items = d->n_items};
    n.x = read_table(model, "embedding", &cols);
    n.dim = (int)cols;
    n.degree = calloc((size_t)(d->n_users + d->n_items), sizeof *n.degree);
    for (int u = 0; u < d->n_users; u++) {
        n.degree[u] = fitted_user_degree(d, u);
    }
    for (int i = 0; i < d->n_items; i++) {
        n.degree[d->n_users + i] = fitted_item_degree(d, i);
    }
    return n;
}

static void nodes_free(nodes *n)
{
    free(n->x);
    free(n->degree);
}

/* x = D^-left A D^-right x */
static void nodes_propagate(nodes *n, double left, double right)
{
    const int total = n->n_users + n->n_items;
    double *y = calloc((size_t)(total * n->dim), sizeof *y);
    for (int u = 0; u < n->n_users; u++) {
        for (int i = 0; i < n->n_items; i++) {
            const int a = u, b = n->n_users + i;
            for (int c = 0; c < n->dim && n->d->has[u * n->n_items + i]; c++) {
                y[a * n->dim + c] +=
                    pow(n->degree[a], -left) * pow(n->degree[b], -right) * n->x[b * n->dim + c];
                y[b * n->dim + c] +=
                    pow(n->degree[b], -left) * pow(n->degree[a], -right) * n->x[a * n->dim + c];
            }
        }
    }
    free(n->x);
    n->x = y;
}

static void nodes_unit(nodes *n)
{
    for (int node = 0; node < n->n_users + n->n_items; node++) {
        double *row = n->x + node * n->dim, square = 0;
        for (int c = 0; c < n->dim; c++) {
            square += row[c] * row[c];
        }
        for (int c = 0; c < n->dim && square > 0; c++) {
            row[c] /= sqrt(square);
        }
    }
}

/* What a node with edges of these weights to these items gathers: (sum w)^-left sum w d^-right x */
static void nodes_gather(const nodes *n, const int32_t *items, const float *weights, int64_t count,
                         double left, double right, double factor, double *out)
{
    double total = 0;
    for (int64_t e = 0; e < count; e++) {
        total += weights ? (double)weights[e] : 1;
    }
    for (int64_t e = 0; e < count; e++) {
        const int node = n->n_users + items[e];
        double weight = weights ? (double)weights[e] : 1;
        for (int c = 0; c < n->dim && weight > 0; c++) {
            out[c] += factor * pow(total, -left) * weight * pow(n->degree[node], -right) *
                      n->x[node * n->dim + c];
        }
    }
}

/* How a kind of model makes the vector of such a node. */
typedef struct encoder {
    const char *settings[8];
    int layers;
    double weights[4]; /* of the layers; unless they are learned */
    bool is_softmax, is_learned, is_sum /* of the items' final vectors */, is_pp;
    double overlap; /* to be reached */
} encoder;

static void layer_weights(const rk_model *model, const encoder *e, double *out)
{
    memcpy(out, e->weights, sizeof e->weights);
    if (e->is_learned || e->is_softmax) {
        int64_t cols = 0;
        double *values = read_table(model, "layer_weights", &cols), total = 0;
        assert_int_equal(cols, e->layers + 1);
        for (int k = 0; k <= e->layers; k++) {
            total += exp(values[k]);
        }
        for (int k = 0; k <= e->layers; k++) {
            out[k] = e->is_softmax ? exp(values[k]) / total : values[k];
        }
        free(values);
    }
}

static void fold(const rk_model *model, const encoder *e, const fitted_data *d,
                 const int32_t *items, const float *weights, int64_t count, double *out)
{
    nodes n = nodes_of(model, d);
    double w[4];
    memset(out, 0, (size_t)n.dim * sizeof *out);
    layer_weights(model, e, w);
    if (e->is_sum) {
        int64_t cols = 0;
        free(n.x);
        n.x = read_table(model, "final", &cols);
        nodes_gather(&n, items, weights, count, 0, 0, 1, out);
    }
    for (int k = 1; k <= e->layers && !e->is_sum; k++) {
        if (e->is_pp) { /* the defaults: alpha 0.6, beta -0.1, gamma 0.2 */
            nodes_unit(&n);
            nodes_gather(&n, items, weights, count, 0.6, -0.1, (1 - 0.2) / e->layers, out);
            nodes_propagate(&n, 0.6, -0.1);
        } else {
            nodes_gather(&n, items, weights, count, 0.5, 0.5, w[k], out);
            nodes_propagate(&n, 0.5, 0.5);
        }
    }
    nodes_free(&n);
}

static void check_list(const rk_model *model, const encoder *e, const fitted_data *d,
                       const int32_t *items, const float *weights, int64_t count)
{
    int64_t cols = 0;
    double vector[MOST], expected[MOST], *final = read_table(model, "final", &cols);
    float *scores = fitted_list_scores(model, items, weights, count);
    fold(model, e, d, items, weights, count, vector);
    for (int i = 0; i < d->n_items; i++) {
        expected[i] = fitted_item_degree(d, i) == 0 ? -INFINITY : 0;
        for (int64_t c = 0; c < cols; c++) {
            expected[i] += vector[c] * final[(d->n_users + i) * cols + c];
        }
    }
    fitted_assert_near(e->settings[1] ? e->settings[1] : e->settings[0], scores, expected,
                       d->n_items, 1e-5);
    free(final);
    free(scores);
}

/* Share of the FEW best new items of a known user that are among those of the list of their items,
 * over all users. By chance it would be about a quarter. */
static double overlap(const rk_model *model, const fitted_data *d)
{
    double sum = 0, users = 0;
    int32_t items[MOST];
    for (int u = 0; u < d->n_users; u++) {
        int64_t n = fitted_train(d, u, items);
        const rk_query list = {.user = -1, .items = items, .n_items = n};
        rk_recommendation *a = top_of(model, (rk_query){.user = u}, false);
        rk_recommendation *b = top_of(model, list, false);
        for (int i = 0; i < FEW * FEW && n > 0; i++) {
            sum += a[i / FEW].item == b[i % FEW].item ? 1.0 / FEW : 0;
        }
        users += n > 0;
        free(a);
        free(b);
    }
    return sum / users;
}

static void trained_models_propagate_to_a_new_node(void **unused)
{
    (void)unused;
#define TRAINED "train.epochs=30", "train.batch=64", "train.learning_rate=0.02", "model.dim=16"
    static const encoder encoders[] = {
        {{TRAINED, "model.layers=3"}, 3, {.25, .25, .25, .25}, .overlap = 0.65},
        {{TRAINED, "model.layers=2", "model.layer_weights=last"}, 2, {0, 0, 1}, .overlap = 0.65},
        {{TRAINED, "model.layers=2", "model.layer_weights=mean_without_ego"},
         2,
         {0, .5, .5},
         .overlap = 0.65},
        {{TRAINED, "model.layers=2", "model.layer_weights=given",
          "model.given_weights=[0.2, 0.7, 0.3]"},
         2,
         {.2, .7, .3},
         .overlap = 0.65},
        {{TRAINED, "model.layers=2", "model.layer_weights=given", "model.given_weights=[1, 0, 0]"},
         2,
         .is_sum = true,
         .overlap = 0.6},
        {{TRAINED, "model.layers=2", "model.layer_weights=learned"},
         2,
         .is_learned = true,
         .overlap = 0.65},
        {{TRAINED, "model.layers=2", "model.layer_weights=learned_softmax"},
         2,
         .is_softmax = true,
         .overlap = 0.65},
        {{TRAINED, "model.kind=mf"}, 0, .is_sum = true, .overlap = 0.6},
        {{TRAINED, "model.kind=lightgcn++", "model.layers=2"}, 2, .is_pp = true, .overlap = 0.65},
    };
    static const int32_t some[] = {2, 40, 11, 23};
    static const float weights[] = {0.5F, 3, 0, 1.25F};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++) {
        const encoder *e = &encoders[i];
        const char *settings[9] = {NULL};
        memcpy(settings, e->settings, sizeof e->settings);
        fitted f = fitted_fit(&d, settings);
        int32_t items[MOST];
        for (int u = 0; u < d.n_users; u += 7) {
            int64_t n = fitted_train(&d, u, items);
            check_list(f.model, e, &d, items, NULL, n);
        }
        check_list(f.model, e, &d, some, NULL, 1);
        check_list(f.model, e, &d, some, weights, 4);
        double share = overlap(f.model, &d);
        print_message("overlap of the top %d, folded in against known, %s %s: %.3f\n", FEW,
                      e->settings[4], e->settings[5] ? e->settings[5] : "", share);
        assert_true(share >= e->overlap);
        fitted_free(&f);
    }
    fitted_data_free(&d);
}

/* ---- ials ---- */

typedef struct als_rule {
    const char *settings[6];
    bool is_frequency;
    double l2, weight;
} als_rule;

/* The scores of somebody whose equations are solved with the items as they are. */
static void check_solved(const rk_model *model, const als_rule *rule, const fitted_data *d,
                         const int32_t *items, const float *weights, int64_t count)
{
    int64_t dim = 0;
    double *table = read_table(model, "factors", &dim), *own = table + d->n_users * dim;
    const int n = (int)dim;
    double *a = calloc((size_t)(n * n), sizeof *a), expected[MOST] = {0};
    for (int i = 0; i < d->n_items; i++) {
        for (int e = 0; e < n * n; e++) {
            a[e] +=
                (rule->is_frequency ? rule->weight : 1) * own[i * n + e / n] * own[i * n + e % n];
        }
    }
    double b[MOST] = {0};
    for (int64_t j = 0; j < count; j++) {
        const double *v = own + items[j] * n, w = weights ? (double)weights[j] : 1;
        double p = rule->is_frequency ? w : rule->weight * w, q = rule->is_frequency ? 0 : 1;
        for (int e = 0; e < n * n; e++) {
            a[e] += (p - q) * v[e / n] * v[e % n];
        }
        for (int c = 0; c < n; c++) {
            b[c] += p * v[c];
        }
    }
    for (int c = 0; c < n; c++) {
        a[c * n + c] +=
            rule->is_frequency ? rule->l2 * ((double)count + rule->weight * d->n_items) : rule->l2;
    }
    fitted_invert(a, n);
    for (int i = 0; i < d->n_items; i++) {
        expected[i] = fitted_item_degree(d, i) == 0 ? -INFINITY : 0;
        for (int e = 0; e < n * n; e++) {
            expected[i] += own[i * n + e / n] * a[e] * b[e % n];
        }
    }
    float *scores = fitted_list_scores(model, items, weights, count);
    fitted_assert_near(rule->settings[0], scores, expected, d->n_items, 1e-4);
    free(scores);
    free(a);
    free(table);
}

static const als_rule als_rules[] = {
    {{"model.weighting=frequency", "model.l2=0.02", "model.unobserved_weight=0.2", NULL},
     true,
     0.02,
     0.2},
    {{"model.weighting=confidence", "model.l2=0.4", "model.confidence=5", NULL}, false, 0.4, 5},
    {{"model.weighting=confidence", "model.l2=0.4", "model.confidence=5", "model.solver=cg", NULL},
     false,
     0.4,
     5},
};
enum { N_RULES = sizeof als_rules / sizeof als_rules[0] };

static void ials_solves_for_somebody_new(void **unused)
{
    (void)unused;
    static const int32_t some[] = {2, 40, 11, 23};
    static const float weights[] = {0.5F, 3, 1, 1.25F};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    for (int i = 0; i < N_RULES; i++) {
        const char *settings[9] = {"model.kind=ials", "model.dim=7", "train.epochs=8"};
        int32_t items[MOST];
        for (int s = 0; als_rules[i].settings[s]; s++) {
            settings[3 + s] = als_rules[i].settings[s];
        }
        fitted f = fitted_fit(&d, settings);
        for (int u = 0; u < d.n_users - 1; u += 9) {
            check_solved(f.model, &als_rules[i], &d, items, NULL, fitted_train(&d, u, items));
        }
        check_solved(f.model, &als_rules[i], &d, some, NULL, 1);
        check_solved(f.model, &als_rules[i], &d, some, weights, 4);
        double share = overlap(f.model, &d);
        print_message("overlap of the top %d, folded in against known, ials %s: %.3f\n", FEW,
                      als_rules[i].settings[0], share);
        assert_true(share >= 0.9); /* after eight sweeps little moves */
        fitted_free(&f);
    }
    fitted_data_free(&d);
}

/* A run that is stopped behind the users' half of a sweep has solved its known users with the items
 * as they are: the same equations as somebody new. */
static void ials_behind_the_users_half_is_exact(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) { /* by Cholesky: conjugate gradients stop before */
        runs r;
        runs_begin(&r);
        stop_after stop;
        stop_after_init(&stop, 1); /* the first phase of a run is a chunk of its own */
        run_how how = {.settings = {"model.kind=ials", "model.layers=3", "train.batch=2048",
                                    "train.learning_rate=0.001", "eval.select=last"},
                       .hooks = &stop.hooks};
        for (int s = 0; als_rules[i].settings[s]; s++) {
            how.settings[5 + s] = als_rules[i].settings[s];
        }
        assert_int_equal(runs_train(&r, "run", how), RK_ERR_INTERRUPTED);
        rk_model *model = NULL;
        assert_ok(rk_model_open(test_path(r.data, "run"), "cpu", NULL, NULL, &model));
        const rk_dataset *data = rk_model_dataset(model);
        for (int u = 0; u < PLANTED_USERS; u += 17) {
            const int32_t *items;
            int64_t n = 0;
            assert_ok(rk_dataset_items(data, RK_TRAIN, u, &items, &n));
            float *own = fitted_user_scores(model, u);
            float *folded = fitted_list_scores(model, items, NULL, n);
            double bound = 1e-5 * largest(own, PLANTED_ITEMS);
            for (int item = 0; item < PLANTED_ITEMS; item++) {
                bool same =
                    own[item] == folded[item] || fabs((double)(own[item] - folded[item])) <= bound;
                assert_true(same);
            }
            same_top("ials", model, u, (rk_query){.user = -1, .items = items, .n_items = n}, own);
            free(own);
            free(folded);
        }
        rk_model_free(model);
        runs_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_items_score_as_users_do),
        cmocka_unit_test(trained_models_propagate_to_a_new_node),
        cmocka_unit_test(ials_solves_for_somebody_new),
        cmocka_unit_test(ials_behind_the_users_half_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
