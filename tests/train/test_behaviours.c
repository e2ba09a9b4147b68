/*
 * Models that tell behaviours apart: MBGCN and MB-CGCN. The tables that scoring reads against plain
 * loops over the matrices of their papers, gradients against difference quotients, whole runs, and
 * what is refused.
 */
#include <math.h>

#include "base/alloc.h"
#include "train/fitted.h"
#include "train/joined_world.h"

enum { BEHAVIOURS = 2, WIDE = 2 * DIM * (1 + BEHAVIOURS), UI = USERS + ITEMS };

typedef struct model {
    rk_config *config;
    rk_dataset *dataset;
    rk_model *model;
} model;

static model fit(const char *const *settings)
{
    model m = {.config = joined_config(settings)};
    rk_train_options how = rk_train_defaults();
    assert_ok(rk_dataset_prepare(m.config, false, NULL, &m.dataset));
    how.dataset = m.dataset;
    assert_ok(rk_model_fit(m.config, &how, NULL, &m.model));
    return m;
}

static void free_model(model *m)
{
    rk_model_free(m->model);
    rk_dataset_free(m->dataset);
    rk_config_free(m->config);
}

/* A tensor in double; free() it. */
static double *read(const model *m, const char *name, int64_t rows, int64_t cols)
{
    int64_t r = 0, c = 0;
    float *values = fitted_tensor(m->model, name, &r, &c);
    double *out = calloc((size_t)(rows * cols), sizeof *out);
    assert_int_equal(r, rows);
    assert_int_equal(c, cols);
    for (int64_t i = 0; i < rows * cols; i++) {
        out[i] = (double)values[i];
    }
    free(values);
    return out;
}

/* out [n,cols] += factor * x [n,inner] w [inner,cols]; out has rows of `stride`. */
static void add_product(const double *x, const double *w, int n, int inner, int cols, double factor,
                        double *out, int stride)
{
    for (int r = 0; r < n; r++) {
        for (int c = 0; c < cols; c++) {
            for (int k = 0; k < inner; k++) {
                out[r * stride + c] += factor * x[r * inner + k] * w[k * cols + c];
            }
        }
    }
}

static void compare(const model *m, const char *name, const double *wanted, int cols)
{
    int64_t rows = 0, found_cols = 0;
    float *found = fitted_tensor(m->model, name, &rows, &found_cols);
    assert_int_equal(rows, UI);
    assert_int_equal(found_cols, cols);
    fitted_assert_near(name, found, wanted, rows * found_cols, 3e-6);
    free(found);
}

/* The scores of user 3, and of somebody new with the items 1 and 4, over the number of whom to a
 * power. */
static void check_scores(const model *m, const double *final, const double *fold, int cols,
                         double power)
{
    static const int32_t items[] = {1, 4};
    double known[ITEMS] = {0}, fresh[ITEMS] = {0};
    for (int i = 0; i < ITEMS; i++) {
        for (int k = 0; k < cols; k++) {
            const double of_item = final[(USERS + i) * cols + k];
            known[i] += final[3 * cols + k] * of_item;
            fresh[i] += pow(2, -power) * of_item *
                        (fold[(USERS + 1) * cols + k] + fold[(USERS + 4) * cols + k]);
        }
    }
    float *scores = fitted_user_scores(m->model, 3);
    fitted_assert_near("user 3", scores, known, ITEMS, 1e-5);
    free(scores);
    scores = fitted_list_scores(m->model, items, NULL, 2);
    fitted_assert_near("somebody new", scores, fresh, ITEMS, 1e-5);
    free(scores);
}

/* ---- MBGCN ---- */

typedef bool (*relation)(int64_t user, int64_t item);
static const relation relations[BEHAVIOURS] = {joined_views, joined_buys};

static int of_user(relation has, int u)
{
    int n = 0;
    for (int i = 0; i < ITEMS; i++) {
        n += has(u, i);
    }
    return n;
}

static int of_item(relation has, int i)
{
    int n = 0;
    for (int u = 0; u < USERS; u++) {
        n += has(u, i);
    }
    return n;
}

/* Means over what users have: x [ITEMS,cols] -> [USERS,cols]. */
static void mean_of_items(relation has, const double *x, int cols, double *out)
{
    for (int u = 0; u < USERS; u++) {
        for (int i = 0; i < ITEMS; i++) {
            for (int k = 0; k < cols && has(u, i); k++) {
                out[u * cols + k] += x[i * cols + k] / of_user(has, u);
            }
        }
    }
}

/* What there is of a behaviour: [Q, s] of items and the users' means of Q and of both. */
typedef struct of_behaviour {
    double items[ITEMS * 2 * DIM], near[USERS * DIM], near_items[USERS * 2 * DIM];
} of_behaviour;

static void make_behaviour(relation has, const double *q, const double *item_weights,
                           of_behaviour *out)
{
    double step[ITEMS * DIM] = {0}, mapped[ITEMS * DIM] = {0};
    *out = (of_behaviour){.items = {0}};
    mean_of_items(has, q, DIM, out->near);
    for (int i = 0; i < ITEMS; i++) {
        for (int u = 0; u < USERS; u++) {
            for (int k = 0; k < DIM && has(u, i); k++) {
                step[i * DIM + k] += out->near[u * DIM + k] / of_item(has, i);
            }
        }
    }
    add_product(step, item_weights, ITEMS, DIM, DIM, 1, mapped, DIM);
    for (int i = 0; i < ITEMS; i++) {
        memcpy(out->items + i * 2 * DIM, q + i * DIM, DIM * sizeof *q);
        memcpy(out->items + i * 2 * DIM + DIM, mapped + i * DIM, DIM * sizeof *q);
    }
    mean_of_items(has, out->items, 2 * DIM, out->near_items);
}

/* p' and q' before W. */
static void gather_neighbours(const of_behaviour *all, const double *embedding,
                              const double *shares, double *out)
{
    for (int u = 0; u < USERS; u++) {
        double total = 0;
        for (int t = 0; t < BEHAVIOURS; t++) {
            total += shares[t] * of_user(relations[t], u);
        }
        for (int t = 0; t < BEHAVIOURS; t++) {
            for (int k = 0; k < DIM; k++) {
                out[u * DIM + k] +=
                    shares[t] * of_user(relations[t], u) / total * all[t].near[u * DIM + k];
            }
        }
        for (int i = 0; i < ITEMS; i++) {
            for (int k = 0; k < DIM && joined_buys(u, i); k++) {
                out[(USERS + i) * DIM + k] += embedding[u * DIM + k];
            }
        }
    }
}

static void check_mbgcn(const char *const *settings, bool is_residual)
{
    static double final[UI * WIDE], fold[UI * WIDE], near[UI * DIM];
    of_behaviour all[BEHAVIOURS];
    model m = fit(settings);
    double *embedding = read(&m, "embedding", UI, DIM), *shares = read(&m, "shares", 1, BEHAVIOURS);
    double *weights = read(&m, "weights", DIM, DIM);
    const double *q = embedding + USERS * DIM;
    memset(final, 0, sizeof final);
    memset(fold, 0, sizeof fold);
    memset(near, 0, sizeof near);
    assert_true(shares[0] != 1); /* they are trained */
    for (int t = 0; t < BEHAVIOURS; t++) {
        char name[40];
        snprintf(name, sizeof name, "behaviour.%d.item_weights", t + 1);
        double *item_weights = read(&m, name, DIM, DIM);
        snprintf(name, sizeof name, "behaviour.%d.score_weights", t + 1);
        double *score_weights = read(&m, name, 2 * DIM, 2 * DIM);
        for (int k = 0; k < 2 * DIM && is_residual; k++) {
            score_weights[k * 2 * DIM + k] += 1;
        }
        make_behaviour(relations[t], q, item_weights, &all[t]);
        const int first = 2 * DIM * (1 + t);
        add_product(all[t].near_items, score_weights, USERS, 2 * DIM, 2 * DIM, 0.7 / BEHAVIOURS,
                    final + first, WIDE);
        for (int i = 0; i < ITEMS; i++) {
            memcpy(final + (USERS + i) * WIDE + first, all[t].items + i * 2 * DIM,
                   2 * DIM * sizeof *final);
        }
        if (t == BEHAVIOURS - 1) {
            add_product(all[t].items, score_weights, ITEMS, 2 * DIM, 2 * DIM, 0.7 / BEHAVIOURS,
                        fold + USERS * WIDE + first, WIDE);
        }
        free(item_weights);
        free(score_weights);
    }
    gather_neighbours(all, embedding, shares, near);
    add_product(near, weights, UI, DIM, DIM, 1, final + DIM, WIDE);
    add_product(q, weights, ITEMS, DIM, DIM, 1, fold + USERS * WIDE + DIM, WIDE);
    for (int r = 0; r < UI; r++) {
        memcpy(final + r * WIDE, embedding + r * DIM, DIM * sizeof *final);
    }
    compare(&m, "final", final, WIDE);
    compare(&m, "fold", fold, WIDE);
    check_scores(&m, final, fold, WIDE, 1);
    free(embedding);
    free(shares);
    free(weights);
    free_model(&m);
}

/* What training hides is there when scores are made. */
static void mbgcn_equals_plain_loops(void **state)
{
    (void)state;
    check_mbgcn((const char *const[]){"model.kind=mbgcn", "model.relations=view",
                                      "model.item_score=0.7", "model.dropout=0.2",
                                      "model.edge_dropout=0.2", NULL},
                false);
    check_mbgcn((const char *const[]){"model.kind=mbgcn", "model.relations=view",
                                      "model.item_score=0.7", "model.residual=true",
                                      "train.message_share=0.5", NULL},
                true);
}

/* ---- MB-CGCN ---- */

/* D^-1/2 A D^-1/2 of a relation. */
static void normalise(relation has, double out[UI][UI])
{
    memset(out, 0, UI * UI * sizeof out[0][0]);
    for (int u = 0; u < USERS; u++) {
        for (int i = 0; i < ITEMS; i++) {
            if (has(u, i)) {
                out[u][USERS + i] = out[USERS + i][u] =
                    1 / sqrt((double)of_user(has, u) * of_item(has, i));
            }
        }
    }
}

static void cascade_equals_plain_loops(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=mbgcn_cascade", "model.relations=view",
                                           "model.hops=[3, 2]", NULL};
    static const int hops[] = {3, 2};
    static double a[UI][UI], final[UI * DIM], fold[UI * DIM];
    model m = fit(settings);
    double *x = read(&m, "embedding", UI, DIM);
    double *transform = read(&m, "transform.1", 2 * DIM, DIM);
    memset(final, 0, sizeof final);
    memset(fold, 0, sizeof fold);
    for (int b = 0; b < BEHAVIOURS; b++) {
        double e[UI * DIM] = {0}, next[UI * DIM];
        normalise(relations[b], a);
        for (int layer = 0; layer <= hops[b]; layer++) {
            memset(next, 0, sizeof next);
            add_product(&a[0][0], x, UI, UI, DIM, 1, next, DIM);
            for (int j = 0; j < UI * DIM; j++) {
                const bool is_last = b == 1 && layer < hops[b];
                const int r = j / DIM, n = r < USERS ? of_user(relations[b], r)
                                                     : of_item(relations[b], r - USERS);
                e[j] += x[j] / (hops[b] + 1);
                fold[j] += is_last && n > 0 ? x[j] / (hops[b] + 1) / sqrt((double)n) : 0;
            }
            memcpy(x, next, sizeof next);
        }
        memset(x, 0, sizeof next);
        add_product(e, transform, USERS, DIM, DIM, 1, x, DIM);
        add_product(e + USERS * DIM, transform + DIM * DIM, ITEMS, DIM, DIM, 1, x + USERS * DIM,
                    DIM);
        for (int j = 0; j < UI * DIM; j++) {
            final[j] += e[j];
        }
    }
    compare(&m, "final", final, DIM);
    compare(&m, "fold", fold, DIM);
    check_scores(&m, final, fold, DIM, 0.5);
    free(x);
    free(transform);
    free_model(&m);
}

/* ---- gradients and options ---- */

static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    joined_check_quotients((const char *const[]){"model.kind=mbgcn", "model.relations=view",
                                                 "model.dropout=0.2", "model.edge_dropout=0.3",
                                                 "model.init_sd=0.5", NULL});
    joined_check_quotients((const char *const[]){"model.kind=mbgcn", "model.relations=view",
                                                 "model.edge_dropout=0.1", "model.init_sd=0.9",
                                                 "train.message_share=0.5", NULL});
    joined_check_quotients(
        (const char *const[]){"model.kind=mbgcn_cascade", "model.relations=view", NULL});
    joined_check_quotients((const char *const[]){"model.kind=mbgcn_cascade", "model.relations=view",
                                                 "train.message_share=0.5", NULL});
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *settings[4], *message;
    } cases[] = {
        {{"model.kind=mbgcn"}, "but model.relations names no relation: it tells the behaviours"},
        {{"model.kind=mbgcn_cascade"}, "but model.relations names no relation"},
        {{"model.kind=mbgcn", "model.relations=likes"}, "names 'likes', but data.relations has"},
        {{"model.kind=mbgcn_cascade", "model.relations=view", "model.hops=[2]"},
         "has 1 numbers of layers, but there are 2 behaviours"},
        {{"model.kind=mbgcn", "model.relations=view", "train.message_share=0.5", "loss.kind=bce"},
         "whose negatives belong to no interaction"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const none[] = {NULL};
        rk_config *config = joined_config(none);
        rk_status status = RK_OK;
        for (int k = 0; k < 4 && cases[i].settings[k] && status == RK_OK; k++) {
            status = rk_config_set(config, cases[i].settings[k], "test");
        }
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     status == RK_OK ? rk_config_check(config) : status);
        rk_config_free(config);
    }
    const char *const tags[] = {"model.kind=mbgcn", "model.relations=view,tagged", NULL};
    rk_config *config = joined_config(tags);
    rk_dataset *dataset = NULL;
    rk_model *m = NULL;
    rk_train_options how = rk_train_defaults();
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_fails(RK_ERR_DATA, "names tagged, which joins item and tag",
                 rk_model_fit(config, &how, NULL, &m));
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Allocations fail in turn, one of 41 since each of a fit would take long, until the model is
 * fitted. */
static void fit_without_memory(model *m, const rk_train_options *how)
{
    rk_status status = RK_ERR_MEMORY;
    for (int64_t failures = 7; status != RK_OK; failures += 41) {
        rk__alloc_fail_after(failures);
        status = rk_model_fit(m->config, how, NULL, &m->model);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
    }
}

/* Of users whom edges join only to others of whom nothing is learnt nothing is known: 4 and 5 are
 * friends of each other, 6 of themselves, 7 of 1 with a weight of 0, and 8 has seen what nobody
 * has. 9 is a friend of 8's friend, who is one of 1. */
static void strangers_of_strangers_are_strangers(void **state)
{
    (void)state;
    static const char *const kinds[][2] = {{"model.kind=lightgcn", "model.relations=friends,seen"},
                                           {"model.kind=gcn", "model.relations=friends,seen"},
                                           {"model.kind=rgcn", "model.relations=friends,seen"},
                                           {"model.kind=mbgcn", "model.relations=seen"}};
    sides_put("rows.csv", "user_id,item_id\n1,1\n1,2\n2,2\n2,3\n");
    sides_put("test.csv", "user_id,item_id\n4,1\n5,1\n6,1\n7,1\n8,9\n9,1\n10,1\n11,1\n");
    sides_put("friends.csv", "a,b,w\n4,5,1\n6,6,1\n7,1,0\n9,10,1\n10,1,1\n");
    sides_put("seen.csv", "user_id,item_id\n8,9\n11,2\n");
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const char *known = k < 3 ? " 1 2 9 10 11 " : " 1 2 11 ";
        model m = {0};
        rk_train_options how = rk_train_defaults();
        assert_ok(sides_config(
            &m.config,
            "    sources: [{file: rows.csv, part: train}, {file: test.csv, part: test}]\n"
            "    relations:\n"
            "        - {name: friends, from: user, to: user, file: friends.csv, head: a,\n"
            "           tail: b, weight: w}\n"
            "        - {name: seen, file: seen.csv}\n"));
        const char *const settings[] = {"split.kind=given",  "run.device=cpu", "eval.every=0",
                                        "eval.select=last",  "train.epochs=1", "model.dim=3",
                                        kinds[k][0],         kinds[k][1],      "eval.k=[1]",
                                        "eval.metric=ndcg@1"};
        for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
            assert_ok(rk_config_set(m.config, settings[i], "test"));
        }
        assert_ok(rk_dataset_prepare(m.config, false, NULL, &m.dataset));
        how.dataset = m.dataset;
        fit_without_memory(&m, &how);
        for (int64_t u = 0; u < rk_model_get_facts(m.model).users; u++) {
            char room[RK_ID_BYTES], id[RK_ID_BYTES + 2];
            const rk_query query = {.user = u};
            rk_grounds grounds;
            snprintf(id, sizeof id, " %s ", rk_dataset_user_id(m.dataset, u, room));
            assert_ok(rk_model_grounds(m.model, &query, &grounds));
            assert_int_equal(grounds.basis,
                             strstr(known, id) ? RK_BASIS_MODEL : RK_BASIS_POPULARITY);
        }
        free_model(&m);
    }
}

/* Attention and behaviours have no place for weights of edges; those of a derived relation have
 * chosen its edges. */
static void weights_that_nobody_looks_at_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *relations, *message;
    } cases[] = {
        {"model.kind=gat", "model.relations=together,rated",
         "data.relations[1].weight is w (sides.yaml:6), but model.kind is gat (test), which does "
         "not "
         "look at weights of edges: remove it"},
        {"model.kind=mbgcn", "model.relations=rated", "but model.kind is mbgcn (test), which does"},
        {"model.kind=mbgcn_cascade", "model.relations=counted",
         "data.relations[2].weight is count (sides.yaml:7), but model.kind is mbgcn_cascade"},
        {"model.kind=gat", "model.relations=together", NULL},
        {"model.kind=lightgcn", "model.relations=rated,counted", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_config *config = NULL;
        assert_ok(sides_config(&config,
                               "    sources: [{file: rows.csv, part: train}]\n"
                               "    relations:\n"
                               "        - {name: together, derive: co_count, weight: time_decay}\n"
                               "        - {name: rated, file: rated.csv, weight: w}\n"
                               "        - {name: counted, file: rated.csv, weight: count}\n"));
        assert_ok(rk_config_set(config, cases[i].kind, "test"));
        assert_ok(rk_config_set(config, cases[i].relations, "test"));
        if (cases[i].message) {
            assert_fails(RK_ERR_CONFIG, cases[i].message, rk_config_check(config));
        } else {
            assert_ok(rk_config_check(config));
        }
        rk_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mbgcn_equals_plain_loops, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(cascade_equals_plain_loops, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(gradients_are_difference_quotients, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(bad_options_are_refused, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(strangers_of_strangers_are_strangers, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(weights_that_nobody_looks_at_are_refused, sides_set_up,
                                        sides_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
