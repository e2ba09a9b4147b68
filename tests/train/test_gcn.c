/*
 * gcn and ngcf: vectors of nodes with features against plain loops in double, people who are folded
 * in beside the nodes that they would be (of all networks), nodes and new users that only features
 * know, gradients against difference quotients, and what is refused. tools/networks.py has more of
 * the layers.
 */
#include <math.h>

#include "train/fitted.h"
#include "train/joined_world.h"
#include "train/runs.h"

/* ---- with features ---- */

/* User 4 and item 40 have no train row. Columns of the map: users 1, age; items 1, the words. */
enum { PEOPLE = 4, FILMS = 4, NODES = PEOPLE + FILMS, COLUMNS = 5, WIDTH = 3 };
static const bool has[PEOPLE][FILMS] = {{true, true}, {false, true, true}, {true, false, true}};
static const double columns_of[NODES][COLUMNS] = {
    {1, 0.25},    {1, 0.5},     {1, 1},          {1, 0.75}, /* age over 40 */
    {0, 0, 1, 1}, {0, 0, 1, 1}, {0, 0, 1, 0, 1}, {0, 0, 1, 0, 1}};

static const char *const lists =
    "    sources: [{file: rows.csv, part: train}, {file: later.csv, part: test}]\n"
    "    features:\n"
    "        - {of: user, file: users.csv, columns: [{column: age, scale: max}]}\n"
    "        - {file: items.csv, columns: [{column: genre, kind: category}]}\n";

static rk_config *film_config(const char *const *settings)
{
    static const char *const common[] = {"split.kind=given", "run.threads=2",  "run.device=cpu",
                                         "eval.every=0",     "eval.k=[2]",     "eval.metric=ndcg@2",
                                         "eval.select=last", "train.epochs=2", "train.batch=8",
                                         "model.init_sd=1",  "model.dim=3"};
    rk_config *config = NULL;
    sides_put("rows.csv", "user_id,item_id\n1,10\n1,20\n2,20\n2,30\n3,10\n3,30\n");
    sides_put("later.csv", "user_id,item_id\n4,30\n1,40\n");
    sides_put("users.csv", "user_id,age\n1,10\n2,20\n3,40\n4,30\n");
    sides_put("items.csv", "item_id,genre\n10,new\n20,new\n30,old\n40,old\n");
    assert_ok(sides_config(&config, lists));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(config, common[i], "test"));
    }
    for (int i = 0; settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

static rk_model *film_model(const char *const *settings, rk_dataset **out)
{
    rk_config *config = film_config(settings);
    rk_train_options how = rk_train_defaults();
    rk_model *model = NULL;
    assert_ok(rk_dataset_prepare(config, false, NULL, out));
    how.dataset = *out;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    rk_config_free(config);
    return model;
}

/* tanh((mean of the neighbours) W + x B + b), then the same without tanh. */
static void layer(const rk_model *model, const char *number, const double *x, int in, int out,
                  double *y)
{
    char name[40];
    float *w[3];
    static const char *const parts[] = {"weight", "self", "bias"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "layer%s.%s", number, parts[i]);
        w[i] = fitted_tensor(model, name, NULL, NULL);
    }
    for (int v = 0; v < NODES; v++) {
        double mean[8] = {0}, n = 0;
        for (int u = 0; u < NODES; u++) {
            const bool is_edge =
                v < PEOPLE ? u >= PEOPLE && has[v][u - PEOPLE] : u < PEOPLE && has[u][v - PEOPLE];
            n += is_edge;
            for (int k = 0; is_edge && k < in; k++) {
                mean[k] += x[u * in + k];
            }
        }
        for (int j = 0; j < out; j++) {
            y[v * out + j] = (double)w[2][j];
            for (int k = 0; k < in; k++) {
                y[v * out + j] += (n > 0 ? mean[k] / n : 0) * (double)w[0][k * out + j] +
                                  x[v * in + k] * (double)w[1][k * out + j];
            }
        }
    }
    for (int i = 0; i < 3; i++) {
        free(w[i]);
    }
}

static void scores_with_features(void **state)
{
    (void)state;
    enum { IN = 4, MIDDLE = 5 };
    const char *const settings[] = {"model.kind=gcn",
                                    "model.layers=2",
                                    "model.widths=[4, 5]",
                                    "model.edges=mean",
                                    "model.self=weight",
                                    "model.activation=tanh",
                                    "model.scorer=biased",
                                    "model.ids=items",
                                    "model.dropout=0.25",
                                    "train.epochs=3",
                                    NULL};
    rk_dataset *dataset = NULL;
    rk_model *model = film_model(settings, &dataset);
    float *embedding = fitted_tensor(model, "embedding", NULL, NULL);
    float *map = fitted_tensor(model, "features.weight", NULL, NULL);
    float *own_bias = fitted_tensor(model, "bias", NULL, NULL);
    float *map_bias = fitted_tensor(model, "features.bias", NULL, NULL);
    double x[NODES * IN], y[NODES * MIDDLE], z[NODES * WIDTH], bias[NODES];
    for (int v = 0; v < NODES; v++) {
        const bool is_embedded = v >= PEOPLE && v < NODES - 1;
        bias[v] = is_embedded ? (double)own_bias[v] : 0;
        for (int c = 0; c < COLUMNS; c++) {
            bias[v] += columns_of[v][c] * (double)map_bias[c];
        }
        for (int k = 0; k < IN; k++) {
            x[v * IN + k] = is_embedded ? (double)embedding[v * IN + k] : 0;
            for (int c = 0; c < COLUMNS; c++) {
                x[v * IN + k] += columns_of[v][c] * (double)map[c * IN + k];
            }
        }
    }
    layer(model, "1", x, IN, MIDDLE, y);
    for (int i = 0; i < NODES * MIDDLE; i++) {
        y[i] = tanh(y[i]);
    }
    layer(model, "2", y, MIDDLE, WIDTH, z);
    for (int u = 0; u < PEOPLE; u++) { /* the last one is known by features alone */
        float *scores = fitted_user_scores(model, u);
        for (int i = 0; i < FILMS; i++) {
            double wanted = bias[u] + bias[PEOPLE + i];
            for (int k = 0; k < WIDTH; k++) {
                wanted += z[u * WIDTH + k] * z[(PEOPLE + i) * WIDTH + k];
            }
            assert_close((double)scores[i], wanted, 1e-5, 1);
        }
        free(scores);
    }
    free(embedding);
    free(map);
    free(own_bias);
    free(map_bias);
    rk_model_free(model);
    rk_dataset_free(dataset);
}

/* What no feature and no train row knows is answered by popularity, and never ranked. */
static void features_make_nodes_known(void **state)
{
    (void)state;
    for (int reads = 0; reads < 2; reads++) {
        const char *const settings[] = {"model.kind=gcn", "model.layers=1",
                                        reads ? "model.features=true" : "model.features=false",
                                        NULL};
        const rk_query cold = {.user = 3};
        const rk_selection all = {0};
        rk_recommendation best[FILMS];
        rk_dataset *dataset = NULL;
        rk_model *model = film_model(settings, &dataset);
        assert_ok(rk_model_top_k(model, &cold, 1, &all, FILMS, best));
        int n = 0;
        while (n < FILMS && best[n].item >= 0) {
            n++;
        }
        assert_int_equal(n, reads ? FILMS : FILMS - 1);
        rk_grounds grounds;
        assert_ok(rk_model_grounds(model, &cold, &grounds));
        assert_int_equal(grounds.basis, reads ? RK_BASIS_MODEL : RK_BASIS_POPULARITY);
        float *of_known = fitted_user_scores(model, 0);
        assert_int_equal(isfinite(of_known[FILMS - 1]), reads);
        free(of_known);
        rk_model_free(model);
        rk_dataset_free(dataset);
    }
}

/* A table of words has a row for item 40 or has none: then nothing is known of it. */
static void nodes_without_words_are_not_known(void **state)
{
    (void)state;
    rk_config *config = film_config((const char *const[]){"model.kind=gcn", NULL});
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    sides_put("items.csv", "item_id,genre\n10,new\n20,new\n30,old\n");
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    float *scores = fitted_user_scores(model, 0);
    for (int i = 0; i < FILMS; i++) {
        assert_int_equal(isfinite(scores[i]), i < FILMS - 1);
    }
    free(scores);
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Two genres of 2 and 2 users an item of train: 4 / 2 and 2 / 1. */
static void popularity_by_features(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=popularity", "model.by_features=true",
                                           "split.kind=given", "eval.k=[2]", "eval.metric=ndcg@2"};
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    rk_train_options how = rk_train_defaults();
    rk_config_free(film_config((const char *const[]){"model.kind=gcn", NULL})); /* the files */
    assert_ok(sides_config(&config, lists));
    for (int i = 0; i < 5; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    float *scores = fitted_user_scores(model, 0);
    for (int i = 0; i < FILMS; i++) {
        assert_close((double)scores[i], 2, 1e-6, 1);
    }
    free(scores);
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Held-out users of whom nothing is given are ranked for by their features: each has the taste of
 * those of the same group. */
static void new_users_by_features(void **state)
{
    (void)state;
    enum { GUESTS = 40, TASTE = 6 };
    static const char *const settings[] = {"split.kind=users",
                                           "split.given=0",
                                           "split.test=0.2",
                                           "split.valid=0",
                                           "model.kind=gcn",
                                           "model.layers=1",
                                           "model.dim=8",
                                           "model.ids=items",
                                           "train.epochs=40",
                                           "train.batch=64",
                                           "run.threads=2",
                                           "run.device=cpu",
                                           "eval.every=0",
                                           "eval.k=[5]",
                                           "eval.metric=ndcg@5",
                                           "eval.select=last",
                                           "train.learning_rate=0.05"};
    char rows[4000] = "user_id,item_id\n", groups[1000] = "user_id,group\n";
    for (int u = 0; u < GUESTS; u++) {
        for (int i = 0; i < TASTE; i++) {
            snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "%d,%d\n", u,
                     u % 2 * TASTE + i);
        }
        snprintf(groups + strlen(groups), sizeof groups - strlen(groups), "%d,%s\n", u,
                 u % 2 ? "odd" : "even");
    }
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    rk_train_options how = rk_train_defaults();
    int tested = 0;
    sides_put("rows.csv", rows);
    sides_put("groups.csv", groups);
    assert_ok(sides_config(&config, "    sources: [{file: rows.csv}]\n"
                                    "    features: [{of: user, file: groups.csv, columns: "
                                    "[{column: group, kind: category}]}]\n"));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    for (int u = 0; u < GUESTS; u++) {
        const rk_query query = {.user = u};
        const rk_selection all = {0};
        const int32_t *items = NULL;
        rk_recommendation best[TASTE];
        rk_grounds grounds;
        int64_t n = 0;
        assert_ok(rk_dataset_items(dataset, RK_TEST, u, &items, &n));
        tested += n > 0;
        assert_ok(rk_model_top_k(model, &query, 1, &all, TASTE, best));
        assert_ok(rk_model_grounds(model, &query, &grounds));
        assert_int_equal(grounds.basis, RK_BASIS_MODEL);
        for (int i = 0; i < TASTE; i++) {
            assert_int_equal(best[i].item / TASTE, u % 2);
        }
    }
    assert_int_equal(tested, 8);
    rk_model_free(model);
    rk_dataset_free(dataset);
    assert_ok(rk_config_set(config, "model.features=false", "test"));
    assert_fails(RK_ERR_CONFIG, "which cannot rank for held-out users of whom nothing is known",
                 rk_config_check(config));
    rk_config_free(config);
}

/* Nor is what is given left aside for features, by a network whose edges have types. */
static void given_rows_count(void **state)
{
    (void)state;
    static const char *const settings[] = {"split.kind=users", "split.given=0", "model.kind=rgcn",
                                           "model.type_by=value"};
    rk_config *config = NULL;
    assert_ok(sides_config(&config, "    sources: [{file: rows.csv, value: rating}]\n"
                                    "    features: [{of: user, file: groups.csv, columns: "
                                    "[{column: group, kind: category}]}]\n"));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    assert_ok(rk_config_check(config));
    assert_ok(rk_config_set(config, "split.given=0.5", "test"));
    assert_fails(RK_ERR_CONFIG,
                 "split.given is 0.5 (test), but model.kind is rgcn (test) and model.type_by is "
                 "value (test), which cannot rank for held-out users of whom items are known",
                 rk_config_check(config));
    assert_fails(RK_ERR_CONFIG, "or give nothing, to know them by their features alone",
                 rk_config_check(config));
    assert_ok(rk_config_set(config, "model.type_by=none", "test"));
    assert_ok(rk_config_check(config));
    rk_config_free(config);
}

/* ---- somebody with a list of items ---- */

/* The node of a user without an embedding is what their items make of it. */
static void lists_are_like_nodes(void **state)
{
    (void)state;
    static const char *const cases[][6] = {
        {"model.kind=gcn", "model.edges=symmetric", "model.self=loop"},
        {"model.kind=gcn", "model.edges=symmetric", "model.self=weight", "model.batch_norm=true"},
        {"model.kind=gcn", "model.edges=mean", "model.self=loop", "model.scorer=cosine"},
        {"model.kind=gcn", "model.edges=mean", "model.self=none", "model.scorer=biased"},
        {"model.kind=gcn", "model.edges=sum", "model.self=loop", "model.init_sd=0.05"},
        {"model.kind=gcn", "model.edges=symmetric", "model.maps=false", "model.activation=none"},
        {"model.kind=ngcf", "model.activation=leaky_relu"},
        {"model.kind=ngcf", "model.edges=mean", "model.activation=tanh", "model.batch_norm=true"},
        {"model.kind=gat", "model.heads=2", "model.self=loop"},
        {"model.kind=gat", "model.heads=3", "model.self=weight", "model.batch_norm=true"},
        {"model.kind=gat", "model.heads=2", "model.join_heads=mean", "model.self=none",
         "model.scorer=cosine"},
        {"model.kind=gat", "model.maps=false", "model.self=loop", "model.scorer=fm",
         "model.activation=tanh"},
        {"model.kind=rgcn", "model.edges=symmetric", "model.self=weight", "model.scorer=biased"},
        {"model.kind=rgcn", "model.edges=mean", "model.bases=2", "model.self=none"},
        {"model.kind=rgcn", "model.edges=sum", "model.blocks=3", "model.init_sd=0.05"},
        {"model.kind=compgcn", "model.edges=symmetric", "model.composition=sub"},
        {"model.kind=compgcn", "model.edges=mean", "model.composition=mult", "model.scorer=cosine"},
        {"model.kind=compgcn", "model.edges=sum", "model.composition=corr", "model.init_sd=0.05"},
        {"model.kind=compgcn", "model.edges=symmetric", "model.composition=corr",
         "model.batch_norm=true"},
        {"model.kind=compgcn", "model.gather_dropout=0.2", "model.activate_last=true",
         "model.activation=tanh", "model.batch_norm=true"},
    };
    fitted_data d;
    fitted_data_init(&d, 30, 20, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *settings[14] = {"model.layers=2", "model.dim=6",    "model.ids=items",
                                    "train.epochs=1", "train.batch=32", "train.steps_per_epoch=3"};
        int32_t items[20];
        memcpy(settings + 6, cases[i], sizeof cases[i]);
        fitted f = fitted_fit(&d, settings);
        for (int64_t user = 0; user < 30; user += 7) {
            const int64_t n = fitted_train(&d, user, items);
            float *known = fitted_user_scores(f.model, user);
            float *listed = fitted_list_scores(f.model, items, NULL, n);
            for (int j = 0; j < 20; j++) {
                /* the biased score has the user's, too, which is not trained without features */
                assert_close((double)listed[j], (double)known[j], 2e-5, 1);
            }
            free(known);
            free(listed);
        }
        fitted_free(&f);
    }
    fitted_data_free(&d);
}

/* ---- runs ---- */

/* The embeddings are those of the other run, and layers are drawn. */
static void networks_begin_from_embeddings(void **state)
{
    (void)state;
    static const char *const of_mf[] = {"model.kind=mf", NULL};
    static const char *const of_gcn[] = {"model.kind=gcn", "model.relations=tagged",
                                         "train.learning_rate=1e-12", NULL};
    rk_train_options how = rk_train_defaults();
    rk_model *mf = NULL, *drawn = NULL, *gcn = NULL;
    rk_config *config = joined_config(of_mf);
    char file[400];
    snprintf(file, sizeof file, "%s", sides_path("mf.model"));
    assert_ok(rk_model_fit(config, &how, NULL, &mf));
    assert_ok(rk_model_save(mf, file, false));
    rk_config_free(config);
    config = joined_config(of_gcn);
    assert_ok(rk_model_fit(config, &how, NULL, &drawn));
    how.from = file;
    assert_ok(rk_model_fit(config, &how, NULL, &gcn));
    int64_t rows = 0, n = 0;
    float *before = fitted_tensor(mf, "embedding", &n, NULL);
    float *after = fitted_tensor(gcn, "embedding", &rows, NULL);
    assert_true(n == USERS + ITEMS && rows == N);
    for (int j = 0; j < n * DIM; j++) {
        assert_close((double)after[j], (double)before[j], 1e-6, 1);
    }
    free(before);
    free(after);
    before = fitted_tensor(drawn, "layer1.weight", NULL, NULL);
    after = fitted_tensor(gcn, "layer1.weight", NULL, NULL);
    for (int j = 0; j < DIM * DIM; j++) {
        assert_close((double)after[j], (double)before[j], 1e-6, 1);
    }
    free(before);
    free(after);
    rk_model_free(mf);
    rk_model_free(drawn);
    rk_model_free(gcn);
    rk_config_free(config);
}

/* Rows of words are taken as they are, so the words must be the same. */
static void words_to_begin_from_are_the_same(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=gcn", "model.layers=1", NULL};
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *first = film_model(settings, &dataset), *then = NULL;
    rk_config *config = film_config(settings);
    char file[400];
    snprintf(file, sizeof file, "%s", sides_path("gcn.model"));
    assert_ok(rk_model_save(first, file, false));
    how.from = file;
    assert_ok(rk_model_fit(config, &how, NULL, &then));
    sides_put("items.csv", "item_id,genre\n10,zany\n20,zany\n30,old\n40,old\n");
    rk_model *other = NULL;
    assert_fails(RK_ERR_DATA, "the features of the data set are not those of the run",
                 rk_model_fit(config, &how, NULL, &other));
    rk_model_free(first);
    rk_model_free(then);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Interrupted in the middle of an epoch a run goes on as if it had not been. */
static void runs_resume(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "model.kind=gcn",        "model.relations=view",     "model.dropout=0.2",
        "train.epochs=6",        "train.message_share=0.5",  "model.edge_dropout=0.2",
        "model.batch_norm=true", "train.checkpoint_every=0", NULL};
    rk_config *config = joined_config(settings);
    rk_train_options how = rk_train_defaults();
    stop_after stop;
    int64_t n[2] = {0};
    float *values[2];
    for (int i = 0; i < 2; i++) {
        rk_model *model = NULL;
        char folder[400];
        snprintf(folder, sizeof folder, "%s", sides_path(i ? "parts" : "whole"));
        how.run_dir = folder;
        how.resume = false;
        stop_after_init(&stop, 4);
        assert_int_equal(rk_train(config, &how, i ? &stop.hooks : NULL),
                         i ? RK_ERR_INTERRUPTED : RK_OK);
        how.resume = true;
        assert_ok(i ? rk_train(config, &how, NULL) : RK_OK);
        assert_ok(rk_model_open(folder, "cpu", NULL, NULL, &model));
        values[i] = fitted_tensor(model, "embedding", &n[i], NULL);
        rk_model_free(model);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(values[0], values[1], (size_t)(n[0] * DIM) * sizeof *values[0]);
    free(values[0]);
    free(values[1]);
    rk_config_free(config);
}

/* ---- gradients ---- */

static void gradients_are_those_of_the_loss(void **state)
{
    (void)state;
    static const char *const cases[][8] = {
        {"model.kind=gcn", "model.relations=view,tagged", "model.relation_weights=[0.5, 2]",
         "model.activation=tanh", "train.message_share=0.5"},
        {"model.kind=gcn", "model.edges=mean", "model.self=weight", "model.activation=elu",
         "model.edge_dropout=0.3", "train.message_share=0.6", "model.scorer=biased"},
        {"model.kind=gcn", "model.activation=sigmoid", "model.layers=2", "model.scorer=cosine"},
        {"model.kind=ngcf", "model.activation=tanh", "model.layers=2", "model.relations=friends"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *settings[10] = {"model.init_sd=0.5"};
        memcpy(settings + 1, cases[i], sizeof cases[i]);
        joined_check_quotients(settings);
    }
}

/* ---- what is refused ---- */

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *settings[4], *message;
    } cases[] = {
        {{"model.kind=gcn", "model.layers=0"}, "it needs at least one layer"},
        {{"model.kind=gcn", "model.layers=2", "model.widths=[8]"}, "give one width"},
        {{"model.kind=gcn", "loss.kind=mse"}, "ratings are predicted with biases"},
        {{"model.kind=gcn", "model.scorer=biased", "loss.kind=softmax"}, "take loss.logits dot"},
        {{"model.kind=gcn", "train.message_share=0.5", "loss.kind=bce"},
         "whose negatives belong to no interaction"},
        {{"model.kind=ngcf", "loss.kind=mse", "model.scorer=biased"}, "predicts no ratings"},
        {{"model.kind=ngcf", "model.self=weight"}, "so nothing looks at it"},
        {{"model.kind=gcn", "model.maps=false", "model.layers=1", "model.widths=[8]"},
         "without matrices all widths are model.dim"},
        {{"model.kind=ngcf", "model.scorer=fm"}, "take model.kind gcn or gat"},
        {{"model.kind=rgcn", "model.scorer=fm"}, "take model.kind gcn or gat"},
        {{"model.kind=gcn", "model.fields=hour"}, "take model.scorer fm"},
        {{"model.kind=gcn", "model.relation_weights=[2]"}, "or name relations"},
        {{"model.kind=gcn", "model.relations=seen,seen"}, "names 'seen' twice"},
        {{"model.kind=rgcn", "model.relations=seen", "model.relation_weights=[2]"},
         "take model.edges sum"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_config *config = NULL;
        sides_put("rows.csv", "user_id,item_id\n1,10\n");
        assert_ok(sides_config(&config, "    sources: [{file: rows.csv, part: train}]\n"
                                        "    relations: [{name: seen, derive: co_count}]\n"));
        assert_ok(rk_config_set(config, "split.kind=given", "test"));
        for (int j = 0; j < 4 && cases[i].settings[j]; j++) {
            assert_ok(rk_config_set(config, cases[i].settings[j], "test"));
        }
        assert_fails(RK_ERR_CONFIG, cases[i].message, rk_config_check(config));
        rk_config_free(config);
    }
    fitted_data d;
    fitted_data_init(&d, 30, 20, false);
    assert_int_equal(
        fitted_refuses(&d, (const char *const[]){"model.kind=gcn", "model.ids=none", NULL}),
        RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "nothing is known of them"));
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scores_with_features, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(features_make_nodes_known, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(nodes_without_words_are_not_known, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(popularity_by_features, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(new_users_by_features, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(given_rows_count, sides_set_up, sides_tear_down),
        cmocka_unit_test(lists_are_like_nodes),
        cmocka_unit_test_setup_teardown(networks_begin_from_embeddings, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(words_to_begin_from_are_the_same, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(runs_resume, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(gradients_are_those_of_the_loss, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, sides_set_up,
                                        sides_tear_down),
    };
    return cmocka_run_group_tests_name("gcn", tests, NULL, NULL);
}
