#include "train/joined_world.h"

#include <math.h>

#include "base/philox.h"
#include "config/options.h"
#include "data/dataset.h"
#include "train/set_up.h"

static bool drawn(uint64_t what, int64_t a, int64_t b, double chance)
{
    const rk_words w =
        rk__philox(SEED, RK_PURPOSE_SYNTH, (uint32_t)what, (uint64_t)(64 * a + b), 0);
    return (double)rk__uniform(w.v[0]) < chance;
}

static void join(matrix *m, int64_t a, int64_t b, double weight)
{
    m->v[a][b] += weight;
    if (a != b) {
        m->v[b][a] += weight;
    }
}

bool joined_buys(int64_t u, int64_t i)
{
    return u == i || drawn(0, u, i, 0.3) || (u >= ITEMS && i == 0);
}

bool joined_views(int64_t u, int64_t i)
{
    return drawn(1, u, i, 0.5);
}

static bool has_tag(int64_t i, int64_t t)
{
    return t == i % TAGS || drawn(2, i, t, 0.2);
}

/* As it is read, from one side or both. */
static bool is_friend(int64_t a, int64_t b)
{
    return drawn(3, a, b, 0.35);
}

/* Of a graph of tags whose edges have types, from one side or both. */
static bool is_linked(int64_t type, int64_t a, int64_t b)
{
    return drawn(4 + (uint64_t)type, a, b, 0.4);
}

static void put_links(void)
{
    char text[2000];
    size_t at = (size_t)snprintf(text, sizeof text, "head,type,tail\n");
    for (int64_t t = 0; t < LINKS; t++) {
        for (int64_t a = 0; a < TAGS; a++) {
            for (int64_t b = 0; b < TAGS; b++) {
                if (is_linked(t, a, b)) {
                    at += (size_t)snprintf(text + at, sizeof text - at, "%d,r%d,%d\n", (int)a,
                                           (int)t, (int)b);
                }
            }
        }
    }
    sides_put("links.csv", text);
}

static void put_rows(const char *name, const char *header, int64_t n, int64_t m,
                     bool (*has)(int64_t, int64_t))
{
    char text[4000];
    size_t at = (size_t)snprintf(text, sizeof text, "%s\n", header);
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < m; b++) {
            if (has(a, b)) {
                at += (size_t)snprintf(text + at, sizeof text - at, "%d,%d\n", (int)a, (int)b);
            }
        }
    }
    sides_put(name, text);
}

static bool are_friends(int64_t a, int64_t b)
{
    return a <= b && (is_friend(a, b) || is_friend(b, a));
}

void joined_put_friends_once(void)
{
    put_rows("friends.csv", "user,friend", USERS, USERS, are_friends);
}

/* The adjacency of interactions and of the relations that `names` has, with their weights. */
matrix joined_adjacency(const char *names, const double *weights)
{
    matrix m = {0};
    int n = 0;
    for (int64_t u = 0; u < USERS; u++) {
        for (int64_t i = 0; i < ITEMS; i++) {
            join(&m, u, USERS + i, joined_buys(u, i));
        }
    }
    if (strstr(names, "view")) {
        for (int64_t u = 0; u < USERS; u++) {
            for (int64_t i = 0; i < ITEMS; i++) {
                join(&m, u, USERS + i, joined_views(u, i) * weights[n]);
            }
        }
        n++;
    }
    if (strstr(names, "tagged")) {
        for (int64_t i = 0; i < ITEMS; i++) {
            for (int64_t t = 0; t < TAGS; t++) {
                join(&m, USERS + i, USERS + ITEMS + t, has_tag(i, t) * weights[n]);
            }
        }
        n++;
    }
    if (strstr(names, "friends")) {
        for (int64_t a = 0; a < USERS; a++) {
            for (int64_t b = a; b < USERS; b++) {
                join(&m, a, b, are_friends(a, b) * weights[n]);
            }
        }
        n++;
    }
    for (int64_t t = 0; t < LINKS && strstr(names, "linked"); t++) { /* each type by itself */
        for (int64_t a = 0; a < TAGS; a++) {
            for (int64_t b = a; b < TAGS; b++) {
                join(&m, USERS + ITEMS + a, USERS + ITEMS + b,
                     (is_linked(t, a, b) || is_linked(t, b, a)) * weights[n]);
            }
        }
    }
    return m;
}

/* A config of the data and these settings, ended by NULL. */
rk_config *joined_config(const char *const *settings)
{
    rk_config *config = NULL;
    put_rows("train.csv", "user_id,item_id", USERS, ITEMS, joined_buys);
    put_rows("view.csv", "user_id,item_id", USERS, ITEMS, joined_views);
    put_rows("tags.csv", "item_id,tag_id", ITEMS, TAGS, has_tag);
    put_rows("friends.csv", "user,friend", USERS, USERS, is_friend);
    put_links();
    assert_ok(sides_config(&config,
                           "    sources: [{file: train.csv, part: train}]\n"
                           "    relations:\n"
                           "        - {name: view, file: view.csv}\n"
                           "        - {name: tagged, from: item, to: tag, file: tags.csv}\n"
                           "        - {name: friends, from: user, to: user, file: friends.csv,\n"
                           "           head: user, tail: friend}\n"
                           "        - {name: linked, from: tag, to: tag, file: links.csv,\n"
                           "           head: head, type: type, tail: tail}\n"));
    static const char *const common[] = {"run.threads=2",    "run.device=cpu", "split.kind=given",
                                         "eval.every=0",     "eval.k=[2]",     "eval.metric=ndcg@2",
                                         "eval.select=last", "train.epochs=2", "train.batch=8",
                                         "model.layers=3",   "model.init_sd=1"};
    assert_ok(rk_config_set(config, "model.dim=5", "test"));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(config, common[i], "test"));
    }
    for (int i = 0; settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

/* ---- gradients ---- */

enum { BATCH = 6 };

typedef struct world {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
    float **values; /* of each parameter */
} world;

static void open_world(world *w, const char *const *settings)
{
    *w = (world){.config = joined_config(settings)};
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    static const char *const common[] = {"train.batch=6", "loss.l2=0.01", "train.optimizer=sgd"};
    rk_graph graph = {0};
    for (int i = 0; i < 3; i++) {
        assert_ok(rk_config_set(w->config, common[i], "test"));
    }
    assert_ok(rk_dataset_prepare(w->config, false, NULL, &w->dataset));
    const rk_lists *train = &w->dataset->parts[RK_TRAIN];
    assert_ok(rk__graph_build_lists(&graph, train->offsets, train->items, USERS, ITEMS));
    assert_ok(rk__engine_open(&w->engine, rk__config_options(w->config), &graph,
                              (rk_engine_how){.device = &rk__device_cpu, .dataset = w->dataset}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_ok(rk__scorer_create(&w->scorer, &w->engine, (rk_scorer_data){.parts = {NULL}}));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    static const int32_t nodes[3 * BATCH] = {0,  3,  3, 8,  5,  1,  9, 12, 10,
                                             14, 11, 9, 15, 13, 15, 9, 12, 10};
    assert_ok(rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, 3 * BATCH, nodes));
    const rk_model_instance *m = &w->engine.model;
    w->values = calloc((size_t)m->n_parameters, sizeof *w->values);
    for (int i = 0; i < m->n_parameters; i++) {
        const rk_parameter *p = &m->parameters[i];
        w->values[i] = calloc((size_t)(p->rows * p->cols), sizeof **w->values);
        rk__parameter_init(p, i, SEED, w->values[i]);
    }
}

static double loss_at(world *w)
{
    rk_step_state state = {.batch = BATCH, .draws_per_epoch = BATCH, .seed = 7, .step = 3};
    for (int i = 0; i < w->engine.model.n_parameters; i++) {
        const rk_parameter *p = &w->engine.model.parameters[i];
        assert_ok(rk__device_cpu.write(w->engine.context, p->stored, 0, p->rows, w->values[i]));
    }
    assert_ok(rk__step_set_state(&w->step, &state));
    assert_ok(rk__step_run(&w->step, 1));
    assert_ok(rk__step_get_state(&w->step, &state));
    return state.last_loss;
}

/* The largest quotient of the rows from first_row on. */
static double check_parameter(world *w, const char *what, int i, int64_t first_row)
{
    const rk_parameter *p = &w->engine.model.parameters[i];
    const int64_t n = p->rows * p->cols;
    const float step = 0x1p-8f;
    float *gradient = calloc((size_t)n, sizeof *gradient);
    double largest = 0;
    loss_at(w);
    memcpy(gradient, rk__device_cpu.peek(w->engine.context, w->step.tensors[i].gradient),
           (size_t)n * sizeof *gradient);
    for (int64_t j = 0; j < n; j++) {
        const float here = w->values[i][j];
        w->values[i][j] = here + step;
        double above = loss_at(w), width = (double)w->values[i][j];
        w->values[i][j] = here - step;
        double wanted = (above - loss_at(w)) / (width - (double)w->values[i][j]);
        w->values[i][j] = here;
        /* Sums over edges make steep scores: rounding and the third derivative show at 1e-4. */
        if (fabs((double)gradient[j] - wanted) > 2e-4 + 2e-3 * fabs(wanted)) {
            fail_msg("%s, %s: gradient of element %d is %g, the quotient %g", what, p->name, (int)j,
                     (double)gradient[j], wanted);
        }
        largest = j >= first_row * p->cols ? fmax(largest, fabs(wanted)) : largest;
    }
    free(gradient);
    return largest;
}

void joined_check_quotients(const char *const *settings)
{
    world w;
    open_world(&w, settings);
    const rk_model_instance *m = &w.engine.model;
    for (int i = 0; i < m->n_parameters; i++) { /* nodes of other types learn, too */
        const bool has_others = i == 0 && m->n_nodes > USERS + ITEMS;
        const double largest = check_parameter(&w, settings[0], i, has_others ? USERS + ITEMS : 0);
        if (largest < 1e-3) {
            fail_msg("%s, %s: nothing was compared", settings[0], m->parameters[i].name);
        }
    }
    for (int i = 0; i < m->n_parameters; i++) {
        free(w.values[i]);
    }
    free(w.values);
    rk__tear_down(&w.engine, &w.step, &w.scorer);
    rk_dataset_free(w.dataset);
    rk_config_free(w.config);
}
