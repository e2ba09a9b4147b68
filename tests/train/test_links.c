/*
 * Link prediction: loss, gradients and steps against PyTorch (tools/make_golden_links.py); answers
 * and filtered ranks against plain loops in double; whole runs, interrupted, too.
 */
#include <math.h>

#include "base/alloc.h"
#include "config/options.h"
#include "data/triples.h"
#include "rankine/rankine.h"
#include "support/golden.h"
#include "support/triples.h"
#include "eval/evaluate.h"
#include "train/fitted.h"
#include "train/runs.h"
#include "train/set_up.h"

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = test_scratch();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_scratch_remove(folder);
    return 0;
}

/* ---- against PyTorch ---- */

typedef struct world {
    golden golden;
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    int64_t batch;
} world;

static void write_golden_triples(const golden *g)
{
    const golden_array *triples = golden_get(g, "triples", 0);
    char text[4096];
    int n = 0;
    for (int64_t i = 0; i < triples->rows; i++) {
        const double *row = triples->v + 3 * i;
        n += snprintf(text + n, sizeof text - (size_t)n, "%d,r%d,%d\n", (int)row[0], (int)row[1],
                      (int)row[2]);
    }
    write_triples(folder, text, "0,r0,0\n", "0,r0,0\n");
}

/* The node of a query of the batch. */
static int32_t query_node(const world *w, const double *row)
{
    char id[64];
    int64_t user = 0;
    snprintf(id, sizeof id, "%d %s r%d", (int)row[0], (int)row[1] % 2 ? "<" : ">", (int)row[1] / 2);
    assert_ok(rk_dataset_find_user(w->dataset, id, &user));
    return (int32_t)user;
}

static void write_batch(world *w)
{
    const golden_array *batch = golden_get(&w->golden, "batch", 0);
    const int64_t m = batch->cols - 3, n_users = w->engine.graph.n_users;
    int32_t nodes[512];
    assert_int_equal(w->step.sample.n_candidates, m);
    for (int64_t b = 0; b < w->batch; b++) {
        const double *row = batch->v + b * batch->cols;
        nodes[b] = query_node(w, row);
        nodes[w->batch + b] = (int32_t)(n_users + (int64_t)row[2]);
        for (int64_t k = 0; k < m; k++) {
            nodes[2 * w->batch + b * m + k] = (int32_t)(n_users + (int64_t)row[3 + k]);
        }
    }
    assert_ok(rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, (2 + m) * w->batch,
                                   nodes));
}

static const golden_array *array_of(const world *w, const char *what, const rk_parameter *p)
{
    char name[96];
    snprintf(name, sizeof name, "%s_%s", what, p->name);
    const golden_array *a = golden_get(&w->golden, name, 0);
    assert_int_equal(a->rows, p->rows);
    assert_int_equal(a->cols, p->cols);
    return a;
}

static void open_golden(world *w, const char *name)
{
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    static const char *const integers[] = {"data.ids=integer", "eval.k=[1, 10]",
                                           "train.learning_rate=0.05", "run.threads=2", NULL};
    char batch[32];
    *w = (world){0};
    rk_config *settings = NULL;
    assert_ok(rk_config_create(&settings));
    golden_read(&w->golden, name, settings);
    rk_config_free(settings);
    golden_free(&w->golden);
    write_triples(folder, "0,r,0\n", "0,r,0\n", "0,r,0\n");
    w->config = load_triples(folder, integers);
    golden_read(&w->golden, name, w->config);
    write_golden_triples(&w->golden);
    w->batch = golden_get(&w->golden, "batch", 0)->rows;
    snprintf(batch, sizeof batch, "train.batch=%d", (int)w->batch);
    assert_ok(rk_config_set(w->config, batch, "test"));
    assert_ok(rk_dataset_prepare(w->config, false, NULL, &w->dataset));
    rk_graph graph;
    const rk_lists *train = &w->dataset->parts[RK_TRAIN];
    assert_ok(rk__graph_build_lists(&graph, train->offsets, train->items, w->dataset->n_users,
                                    w->dataset->n_items));
    assert_ok(rk__engine_open(&w->engine, rk__config_options(w->config), &graph,
                              (rk_engine_how){.device = &rk__device_cpu, .dataset = w->dataset}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    write_batch(w);
    for (int i = 0; i < w->engine.model.n_parameters; i++) {
        const rk_parameter *p = &w->engine.model.parameters[i];
        const golden_array *a = array_of(w, "initial", p);
        float values[4096];
        assert_in_range(a->rows * a->cols, 1, 4096);
        for (int64_t j = 0; j < a->rows * a->cols; j++) {
            values[j] = (float)a->v[j];
        }
        assert_ok(rk__device_cpu.write(w->engine.context, p->stored, 0, p->rows, values));
    }
}

static void close_golden(world *w)
{
    rk__step_free(&w->step);
    rk__engine_close(&w->engine);
    rk_dataset_free(w->dataset);
    golden_free(&w->golden);
    rk_config_free(w->config);
}

/* What its next normalisation takes away has a gradient that is rounding alone, which Adam makes
 * steps of. */
static bool is_undone(const world *w, const rk_parameter *p)
{
    const golden_array *a = array_of(w, "gradient", p);
    double largest = 0;
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        largest = fmax(largest, fabs(a->v[i]));
    }
    return largest < 1e-5;
}

static void compare(const char *name, const rk_parameter *p, const float *got,
                    const golden_array *a, double tolerance)
{
    double largest = 0;
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        largest = fmax(largest, fabs(a->v[i]));
    }
    largest = fmax(largest, 1e-2);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        if (!(fabs((double)got[i] - a->v[i]) <= tolerance * largest)) {
            fail_msg("%s, %s of %s [%d] is %.9g, expected %.9g", name, a->name, p->name, (int)i,
                     (double)got[i], a->v[i]);
        }
    }
}

static const char *const names[] = {
    "links_distmult_all", "links_distmult_plain", "links_distmult_bpr", "links_distmult_bce",
    "links_transe_hinge", "links_transe_softmax", "links_conve_all",    "links_conve_bpr",
    "links_rgcn_bases",   "links_rgcn_blocks",    "links_compgcn_mult", "links_compgcn_sub",
    "links_compgcn_corr"};

static void steps_are_pytorchs(void **unused)
{
    (void)unused;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        world w;
        open_golden(&w, names[n]);
        rk_step_state state = {.batch = w.batch,
                               .draws_per_epoch = w.batch,
                               .steps_per_epoch = 1,
                               .learning_rate = 0.05,
                               .rate_scale = 1};
        int n_undone = 0;
        for (int step = 0; step < 3; step++) {
            state.step_in_epoch = 0;
            assert_ok(rk__step_set_state(&w.step, &state));
            assert_ok(rk__step_run(&w.step, 1));
            assert_ok(rk__step_get_state(&w.step, &state));
            if (step > 0) {
                continue;
            }
            assert_close(state.last_loss, golden_get(&w.golden, "loss", 0)->v[0], 1e-6, 0);
            for (int i = 0; i < w.engine.model.n_parameters; i++) {
                const rk_parameter *p = &w.engine.model.parameters[i];
                n_undone += is_undone(&w, p);
                compare(names[n], p,
                        rk__device_cpu.peek(w.engine.context, w.step.tensors[i].gradient),
                        array_of(&w, "gradient", p), 1e-5);
            }
        }
        for (int i = 0; i < w.engine.model.n_parameters; i++) {
            const rk_parameter *p = &w.engine.model.parameters[i];
            if (!is_undone(&w, p)) {
                compare(names[n], p, rk__device_cpu.peek(w.engine.context, p->stored),
                        array_of(&w, "after", p), 1e-5);
            }
        }
        assert_true(n_undone <= 3 && n_undone < w.engine.model.n_parameters);
        close_golden(&w);
    }
}

/* ---- answers ---- */

/* Entity i is of sort i % SORTS; relation r leads from sort s to sort s + r, to about half of the
 * entities there. An eighth of the triples each is held out; the stranger is in test only. */
enum { ENTITIES = 24, SORTS = 3, RELATIONS = 2 };

static void write_rules(void)
{
    char texts[3][8192] = {"", "", ""};
    size_t length[3] = {0, 0, 0};
    uint32_t number = 1;
    for (int i = 0; i < ENTITIES * RELATIONS * ENTITIES; i++) {
        const int h = i % ENTITIES, r = i / ENTITIES % RELATIONS, t = i / ENTITIES / RELATIONS;
        number = number * 1664525 + 1013904223;
        const uint32_t draw = number >> 16;
        const int part = draw % 8 == 0 ? 1 : draw % 8 == 1 ? 2 : 0;
        if ((h + r) % SORTS == t % SORTS && draw / 8 % 2) {
            length[part] +=
                (size_t)snprintf(texts[part] + length[part], 40, "e%d,rule%d,e%d\n", h, r, t);
        }
    }
    snprintf(texts[2] + length[2], 40, "stranger,rule0,e3\n");
    write_triples(folder, texts[0], texts[1], texts[2]);
}

#define WATCHED                                                                                    \
    "eval.metrics=[filtered_mrr, filtered_mr, filtered_hit]", "eval.k=[1, 3]",                     \
        "eval.metric=filtered_mrr@all"
static const char *const kinds[][12] = {
    {WATCHED, "model.kind=distmult", "loss.kind=bce", "sampling.negatives=all",
     "sampling.positives=each_user", "model.dim=12", "model.dropout=0.1", NULL},
    {WATCHED, "model.kind=conve", "loss.kind=bce", "sampling.negatives=all",
     "sampling.positives=each_user", "model.dim=8", "model.image_width=4", "model.filters=4", NULL},
    {WATCHED, "model.kind=distmult", "loss.kind=bce", "sampling.negatives=all", "model.dim=6",
     "model.encoder=compgcn", "model.layers=1", "model.batch_norm=true", "model.activation=tanh",
     NULL},
    {WATCHED, "model.kind=distmult", "model.encoder=rgcn", "model.layers=1", "model.bases=2",
     "model.dim=6", "loss.kind=bce", "sampling.negatives=all", "sampling.positives=each_user",
     NULL},
    {WATCHED, "model.kind=transe", "loss.kind=hinge", "sampling.per_positive=4", "model.dim=7",
     "sampling.positives=shuffle", NULL},
    {WATCHED, "model.kind=transe", "loss.kind=softmax", "sampling.per_positive=4", "model.dim=7",
     "model.norm=2", NULL},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static rk_config *load_kind(int kind, const char *more)
{
    const char *settings[16] = {"train.batch=32", "train.learning_rate=0.03", "eval.every=20"};
    int n = 3;
    for (int i = 0; kinds[kind][i]; i++) {
        settings[n++] = kinds[kind][i];
    }
    settings[n++] = more;
    return load_triples(folder, settings);
}

/* The scores of all entities for all queries, from the tables that the model shows. */
typedef struct formulas {
    const rk_options *o;
    const rk_triples *t;
    int64_t n_entities, dim;
    float *entity, *relation, *bias; /* owned */
    double *queries;                 /* [queries, dim]: what entities are held against; owned */
} formulas;

/* Columns of x [n, d] get the mean and deviation of the rows that count. */
static void normalise(const rk_model *model, int number, const bool *counts, int64_t each,
                      double *x, int64_t n, int64_t d)
{
    char gain_name[16], shift_name[16];
    snprintf(gain_name, sizeof gain_name, "gain%d", number);
    snprintf(shift_name, sizeof shift_name, "shift%d", number);
    float *gain = fitted_tensor(model, gain_name, NULL, NULL);
    float *shift = fitted_tensor(model, shift_name, NULL, NULL);
    for (int64_t c = 0; c < d; c++) {
        double sum = 0, squares = 0, rows = 0;
        for (int64_t r = 0; r < n; r++) {
            rows += counts[r / each];
            sum += counts[r / each] ? x[r * d + c] : 0;
        }
        for (int64_t r = 0; r < n; r++) {
            squares += counts[r / each] ? pow(x[r * d + c] - sum / rows, 2) : 0;
        }
        for (int64_t r = 0; r < n; r++) {
            x[r * d + c] =
                (x[r * d + c] - sum / rows) / sqrt(squares / rows + 1e-5) * (double)gain[c] +
                (double)shift[c];
        }
    }
    free(gain);
    free(shift);
}

/* conve's image, convolution and layer, by loops over pixels; statistics are of train's queries. */
static void convolve(const rk_model *model, formulas *f)
{
    const rk_dataset *d = rk_model_dataset(model);
    const int64_t n = f->t->n_queries, dim = f->dim, width = f->o->model.image_width;
    const int64_t k = f->o->model.kernel, filters = f->o->model.filters, height = 2 * dim / width;
    const int64_t down = height - k + 1, across = width - k + 1, all = down * across * filters;
    float *filter = fitted_tensor(model, "filters", NULL, NULL);
    float *layer = fitted_tensor(model, "layer", NULL, NULL);
    double *image = calloc((size_t)(n * 2 * dim), sizeof *image);
    double *maps = calloc((size_t)(n * all), sizeof *maps);
    bool *counts = calloc((size_t)n, sizeof *counts);
    for (int64_t q = 0; q < n; q++) {
        counts[q] = rk__lists_count(&d->parts[RK_TRAIN], q) > 0;
        for (int64_t j = 0; j < dim; j++) {
            image[q * 2 * dim + j] = (double)f->entity[f->t->entities[q] * dim + j];
            image[q * 2 * dim + dim + j] = (double)f->relation[f->t->relations[q] * dim + j];
        }
    }
    normalise(model, 0, counts, 2 * dim, image, n * 2 * dim, 1);
    for (int64_t i = 0; i < n * all; i++) {
        const int64_t q = i / all, place = i % all / filters;
        const double *from = image + q * 2 * dim + place / across * width + place % across;
        for (int64_t u = 0; u < k * k; u++) {
            maps[i] += from[u / k * width + u % k] * (double)filter[u * filters + i % filters];
        }
    }
    normalise(model, 1, counts, down * across, maps, n * down * across, filters);
    for (int64_t i = 0; i < n * dim; i++) {
        for (int64_t j = 0; j < all; j++) {
            f->queries[i] += fmax(maps[i / dim * all + j], 0) * (double)layer[j * dim + i % dim];
        }
    }
    normalise(model, 2, counts, 1, f->queries, n, dim);
    for (int64_t i = 0; i < n * dim; i++) {
        f->queries[i] = fmax(f->queries[i], 0);
    }
    free(filter);
    free(layer);
    free(image);
    free(maps);
    free(counts);
}

static formulas formulas_of(const rk_model *model, const rk_triples *t)
{
    formulas f = {.o = rk__config_options(rk_model_config(model)), .t = t};
    const bool is_encoded = f.o->model.encoder != RK_LINK_ENCODER_NONE;
    f.entity =
        fitted_tensor(model, is_encoded ? "encoded_entity" : "entity", &f.n_entities, &f.dim);
    f.relation = fitted_tensor(model, is_encoded ? "encoded_relation" : "relation", NULL, NULL);
    if (f.o->model.kind != RK_MODEL_TRANSE) {
        f.bias = fitted_tensor(model, "bias", NULL, NULL);
    }
    f.queries = calloc((size_t)(t->n_queries * f.dim), sizeof *f.queries);
    if (f.o->model.kind == RK_MODEL_CONVE) {
        convolve(model, &f);
        return f;
    }
    for (int64_t i = 0; i < t->n_queries * f.dim; i++) {
        const int64_t q = i / f.dim, j = i % f.dim;
        const double h = (double)f.entity[t->entities[q] * f.dim + j];
        const double r = (double)f.relation[t->relations[q] * f.dim + j];
        f.queries[i] = f.o->model.kind == RK_MODEL_TRANSE ? h + r : h * r;
    }
    return f;
}

static void formulas_free(formulas *f)
{
    free(f->entity);
    free(f->relation);
    free(f->bias);
    free(f->queries);
}

static double score_of(const formulas *f, int64_t query, int64_t answer)
{
    double product = 0, sizes = 0, squares = 0;
    for (int64_t j = 0; j < f->dim; j++) {
        const double q = f->queries[query * f->dim + j];
        const double a = (double)f->entity[answer * f->dim + j];
        product += q * a;
        sizes += fabs(q - a);
        squares += (q - a) * (q - a);
    }
    return f->bias ? product + (double)f->bias[answer]
                   : -(f->o->model.norm == 1 ? sizes : sqrt(squares));
}

static bool is_answer(const rk_dataset *d, int part, int64_t query, int64_t item)
{
    return rk__lists_has(&d->parts[part], query, (int32_t)item);
}

/* Filtered ranks of all test pairs by counting. */
static void check_filtered(const rk_model *model, const rk_dataset *d, const formulas *f)
{
    double mrr = 0, mr = 0, hit = 0, pairs = 0;
    double *scores = calloc((size_t)d->n_items, sizeof *scores);
    for (int64_t q = 0; q < d->n_users; q++) {
        for (int64_t i = 0; i < d->n_items; i++) {
            scores[i] = score_of(f, q, i);
        }
        for (int64_t i = 0; i < d->n_items; i++) {
            double rank = 1;
            for (int64_t j = 0; j < d->n_items && is_answer(d, RK_TEST, q, i); j++) {
                const bool is_true = is_answer(d, RK_TRAIN, q, j) || is_answer(d, RK_VALID, q, j) ||
                                     is_answer(d, RK_TEST, q, j);
                rank += !is_true && scores[j] > scores[i];
            }
            if (is_answer(d, RK_TEST, q, i)) {
                pairs++;
                mr += rank;
                mrr += 1 / rank;
                hit += rank <= 3;
            }
        }
    }
    free(scores);
    rk_evaluate_options how = rk_evaluate_defaults();
    rk_evaluation evaluation = {0};
    assert_ok(rk_evaluate(model, &how, NULL, &evaluation));
    const rk_metrics *m = &evaluation.metrics;
    assert_true(pairs > 10);
    assert_close(rk__metric_find(m, "filtered_mrr@all"), mrr / pairs, 1e-6, 0);
    assert_close(rk__metric_find(m, "filtered_mr@all"), mr / pairs, 1e-6, 0);
    assert_close(rk__metric_find(m, "filtered_hit@3"), hit / pairs, 1e-6, 0);
    rk_evaluation_free(&evaluation);
}

/* The best answers that are not in train, and the scores of some. */
static void check_answers(const rk_model *model, const rk_dataset *d, const formulas *f)
{
    enum { TOP = 4 };
    rk_selection selection = rk_selection_defaults();
    selection.seen = 1u << RK_TRAIN;
    for (int64_t q = 0; q < d->n_users; q += 5) {
        rk_recommendation best[TOP];
        const rk_query query = {.user = q};
        assert_ok(rk_model_top_k(model, &query, 1, &selection, TOP, best));
        for (int k = 0; k < TOP; k++) {
            const double score = score_of(f, q, best[k].item);
            int64_t above = 0;
            for (int64_t i = 0; i < d->n_items; i++) {
                above += !is_answer(d, RK_TRAIN, q, i) && score_of(f, q, i) > score;
            }
            assert_false(is_answer(d, RK_TRAIN, q, best[k].item));
            assert_close((double)best[k].score, score, 1e-5, 1);
            assert_int_equal(above, k);
        }
    }
}

static void answers_are_those_of_the_formulas(void **unused)
{
    (void)unused;
    write_rules();
    for (int kind = 0; kind < N_KINDS; kind++) {
        rk_config *config = load_kind(kind, "train.epochs=3");
        const rk_train_options options = rk_train_defaults();
        rk_model *model = NULL;
        rk_triples t = {0};
        assert_ok(rk_model_fit(config, &options, NULL, &model));
        const rk_dataset *d = rk_model_dataset(model);
        assert_ok(rk__triples_init(&t, d));
        formulas f = formulas_of(model, &t);
        check_filtered(model, d, &f);
        check_answers(model, d, &f);
        formulas_free(&f);
        rk__triples_free(&t);
        rk_model_free(model);
        rk_config_free(config);
    }
}

/* ---- runs ---- */

static double reported(const char *run, const char *path)
{
    rk_report *report = NULL;
    assert_ok(rk_report_open(test_path(folder, run), &report));
    const double value = rk_report_number(report, path);
    rk_report_free(report);
    return value;
}

static rk_status train(int kind, const char *run, const rk_hooks *hooks, bool resume)
{
    rk_config *config = load_kind(kind, "train.epochs=40");
    rk_train_options options = rk_train_defaults();
    options.run_dir = test_path(folder, run);
    options.resume = resume;
    rk_status status = rk_train(config, &options, hooks);
    rk_config_free(config);
    return status;
}

static void runs_learn_and_resume(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < N_KINDS; kind++) {
        write_rules();
        stop_after stop;
        rk_status status = train(kind, "whole", NULL, false);
        assert_ok(status);
        const double mrr = reported("whole", "test.filtered_mrr@all");
        const double popular = reported("whole", "popularity.test.filtered_mrr@all");
        if (!(mrr > 1.3 * popular)) {
            fail_msg("kind %d: filtered mrr %g, by popularity %g", kind, mrr, popular);
        }
        stop_after_init(&stop, 5);
        assert_int_equal(train(kind, "parts", &stop.hooks, false), RK_ERR_INTERRUPTED);
        assert_ok(train(kind, "parts", NULL, true));
        const runs r = {.data = folder};
        runs_assert_same_file(&r, "whole", "parts", "last.h5");
        runs_assert_same_file(&r, "whole", "parts", "best.h5");
        test_scratch_remove(folder);
        folder = test_scratch();
    }
}

static void what_does_not_fit_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *settings[4], *message;
    } cases[] = {
        {{"model.kind=transe", "loss.kind=bce"}, "whose scores are never above 0"},
        {{"model.kind=distmult", "sampling.negatives=all"}, "all items at once are for loss.kind"},
        {{"model.kind=mf", "loss.kind=bce", "sampling.negatives=all"},
         "which does not score all items in a step"},
        {{"model.kind=distmult", "model.encoder=rgcn"}, "set one of the two"},
        {{"model.kind=conve", "model.activation=tanh"}, "but model.encoder is none (the default)"},
        {{"model.kind=distmult", "model.composition=sub"}, "which does not look at it"},
        {{"model.kind=conve", "model.image_width=7"}, "which is no multiple of it"},
        {{"model.kind=conve", "model.dim=4", "model.image_width=2"}, "smaller than a filter"},
        {{"model.kind=distmult", "loss.l2=0.1"}, "so nothing looks at it"},
        {{"model.kind=distmult", "eval.metrics=[filtered_mr, ndcg]", "eval.metric=filtered_mr@all"},
         "of which less is better: watch filtered_mrr@all"},
    };
    write_rules();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_config *config = load_triples(folder, cases[i].settings);
        assert_fails(RK_ERR_CONFIG, cases[i].message, rk_config_check(config));
        rk_config_free(config);
    }
    /* data that are no queries */
    fitted_data d;
    static const char *const settings[] = {"model.kind=distmult", NULL};
    fitted_data_init(&d, 6, 8, false);
    assert_int_equal(fitted_refuses(&d, settings), RK_ERR_DATA);
    assert_non_null(strstr(rk_last_error(), "is no query 'HEAD > RELATION'"));
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_pytorchs),
        cmocka_unit_test(answers_are_those_of_the_formulas),
        cmocka_unit_test(runs_learn_and_resume),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
