#include "train/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

enum { BATCHES_LOOKED_AT = 4, ROW_UNIT = 64, LEAST_COPY = 1 << 20, MOST_GATHERS = 1 << 20 };

/* An operation of the table: everything is of one step. */
typedef struct line {
    rk_op op;
    double calls, seconds;
    rk_traffic work;
    double rate, ceiling; /* bytes a second */
} line;

rk_status rk__profile_check(const rk_engine *engine)
{
    if (!engine->device->profile || !engine->device->measure) {
        RK_FAIL(RK_ERR_DEVICE, "device %s cannot tell where its time goes: no profile",
                engine->device->name);
    }
    return RK_OK;
}

rk_status rk__profile_step(rk_profile *profile, rk_step *step, int64_t steps)
{
    const rk_engine *e = step->engine;
    e->device->profile(e->context, profile->times);
    rk_status status = rk__step_run(step, steps);
    e->device->profile(e->context, NULL);
    profile->steps += steps;
    return status;
}

/* ---- what a batch touches ---- */

/* A row set of a batch and what it has come to so far. */
typedef struct touched {
    const rk_graph *graph;
    int32_t *seen; /* of a node: number of the last batch that it was in */
    rk_batch_facts sum;
} touched;

/* Adds a node that was not in this batch yet. */
static void add_node(touched *set, int32_t node, int32_t batch)
{
    if (set->seen[node] != batch) {
        double edges = (double)rk__graph_degree(set->graph, node);
        set->seen[node] = batch;
        set->sum.rows += 1;
        set->sum.edges += edges;
        set->sum.user_edges += node < set->graph->n_users ? edges : 0;
    }
}

/* The neighbours of a positive, in the row set that also has the users. */
static void add_neighbours(const rk_step *s, touched *set, int32_t positive, int32_t batch)
{
    const rk_neighbours *n = &s->neighbours;
    for (int64_t k = 0; k < n->k; k++) {
        int32_t node = n->node[(positive - set->graph->n_users) * n->k + k];
        if (node >= 0) {
            add_node(set, node, batch);
        }
    }
}

static void add_triplet(const rk_step *s, const rk_sampler *sampler, int64_t b, int32_t batch,
                        touched *own, touched *near)
{
    int32_t user = -1, positive = -1;
    rk__draw_positive(sampler, b, &user, &positive);
    add_node(own, user, batch);
    add_node(own, positive, batch);
    for (int64_t k = 0; k < s->sample.n_candidates; k++) {
        int32_t negative = rk__draw_negative(sampler, user, b * s->sample.n_candidates + k);
        add_node(own, negative, batch);
    }
    if (s->neighbours.k > 0) {
        add_node(near, user, batch);
        add_neighbours(s, near, positive, batch);
    }
}

static rk_batch_facts mean_of(const touched *set)
{
    const double n = BATCHES_LOOKED_AT;
    return (rk_batch_facts){set->sum.rows / n, set->sum.edges / n, set->sum.user_edges / n};
}

/* Is it the row set of neighbours? */
static bool is_near(const rk_program *p, const rk_node *unique_rows)
{
    int32_t producer = p->tensors[unique_rows->in[0]].producer;
    return producer >= 0 && p->nodes[producer].op == RK_OP_NEIGHBOUR_SLOTS;
}

rk_status rk__profile_batch(const rk_step *s, rk_batch_facts **out, int *out_n)
{
    const rk_graph *g = &s->engine->graph;
    const rk_program *p = &s->phases[0];
    const int n = rk__program_row_sets(p);
    *out = NULL;
    *out_n = 0;
    if (n == 0) {
        return RK_OK;
    }
    rk_batch_facts *facts = NULL;
    int32_t *seen = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__calloc(&seen, 2 * g->n_nodes, sizeof *seen, "the nodes of a batch"));
    RK_TRY_GOTO(done, rk__alloc(&facts, n, sizeof *facts, "the facts of row sets"));
    touched own = {.graph = g, .seen = seen}, near = {.graph = g, .seen = seen + g->n_nodes};
    for (int32_t step = 0; step < BATCHES_LOOKED_AT; step++) {
        rk_sampler sampler = rk__sampling_sampler(&s->sampling, g, &s->sample,
                                                  (uint64_t)s->engine->options->run.seed, step);
        for (int64_t b = 0; b < s->sample.batch; b++) {
            add_triplet(s, &sampler, b, step + 1, &own, &near);
        }
    }
    for (int32_t i = 0, set = 0; i < p->n_nodes; i++) {
        if (p->nodes[i].op == RK_OP_UNIQUE_ROWS) {
            facts[set++] = mean_of(is_near(p, &p->nodes[i]) ? &near : &own);
        }
    }
    *out = facts;
    *out_n = n;
done:
    rk__free(seen);
    return status;
}

rk_status rk__profile_work(const rk_step *step, rk_traffic *out)
{
    rk_batch_facts *facts = NULL;
    int n = 0;
    RK_TRY(rk__profile_batch(step, &facts, &n));
    memset(out, 0, RK_OP_COUNT * sizeof *out);
    for (int i = 0; i < step->n_phases; i++) { /* a step is one of the phases: their mean */
        rk_traffic work[RK_OP_COUNT];
        rk__program_traffic(&step->phases[i], facts, work);
        for (int op = 0; op < RK_OP_COUNT; op++) {
            out[op].bytes += work[op].bytes / step->n_phases;
            out[op].flops += work[op].flops / step->n_phases;
            out[op].gathers += work[op].gathers;
        }
    }
    rk__free(facts);
    return RK_OK;
}

/* ---- the table ---- */

static int by_seconds(const void *a, const void *b)
{
    double x = ((const line *)a)->seconds, y = ((const line *)b)->seconds;
    return (x < y) - (x > y);
}

static int make_lines(const rk_profile *profile, const rk_traffic *work,
                      const rk_device_ceilings *best, line *out)
{
    int n = 0;
    double steps = (double)profile->steps;
    for (int i = 0; i < RK_OP_COUNT; i++) {
        const rk_op_time *t = &profile->times[i];
        if (t->calls == 0) {
            continue;
        }
        line l = {.op = (rk_op)i, .calls = (double)t->calls / steps, .seconds = t->seconds / steps};
        l.work = work[i];
        l.rate = l.seconds > 0 ? l.work.bytes / l.seconds : 0;
        l.ceiling = l.work.gathers > 0 ? best->gather : best->copy;
        out[n++] = l;
    }
    qsort(out, (size_t)n, sizeof *out, by_seconds);
    return n;
}

static rk_status write_csv(const line *lines, int n, const char *path)
{
    rk_buffer buffer = {0};
    char *text = NULL;
    rk__buffer_add(&buffer, "operation,calls,milliseconds,bytes,flops,bytes_per_second,"
                            "ceiling,ceiling_bytes_per_second\n");
    for (int i = 0; i < n; i++) {
        const line *l = &lines[i];
        rk__buffer_add(&buffer, "%s,%.6g,%.6g,%.6g,%.6g,%.6g,%s,%.6g\n", rk__op_name(l->op),
                       l->calls, 1e3 * l->seconds, l->work.bytes, l->work.flops, l->rate,
                       l->work.gathers > 0 ? "gather" : "copy", l->ceiling);
    }
    RK_TRY(rk__buffer_take(&buffer, &text));
    rk_status status = rk__file_replace(path, text, (int64_t)strlen(text));
    rk__free(text);
    return status;
}

static void log_lines(const line *lines, int n, int64_t steps, const rk_device_ceilings *best,
                      rk_run_log *log)
{
    double total = 0, bytes = 0;
    for (int i = 0; i < n; i++) {
        total += lines[i].seconds;
        bytes += lines[i].work.bytes;
    }
    rk__log(log, RK_LOG_INFO,
            "profile of %lld steps, per step; at best this device reads rows at random with %.1f "
            "GB/s (gather) and copies a table with %.1f GB/s (copy)",
            (long long)steps, 1e-9 * best->gather, 1e-9 * best->copy);
    rk__log(log, RK_LOG_INFO, "  %-20s %6s %9s %6s %9s %8s  %s", "operation", "calls", "ms",
            "share", "MB", "GB/s", "of the ceiling");
    for (int i = 0; i < n; i++) {
        const line *l = &lines[i];
        rk__log(log, RK_LOG_INFO, "  %-20s %6.3g %9.4f %5.1f%% %9.3f %8.2f  %3.0f%% of %s",
                rk__op_name(l->op), l->calls, 1e3 * l->seconds, 100 * l->seconds / total,
                1e-6 * l->work.bytes, 1e-9 * l->rate, 100 * l->rate / l->ceiling,
                l->work.gathers > 0 ? "gather" : "copy");
    }
    rk__log(log, RK_LOG_INFO, "  %-20s %6s %9.4f %5.1f%% %9.3f %8.2f", "all", "", 1e3 * total,
            100.0, 1e-6 * bytes, total > 0 ? 1e-9 * bytes / total : 0);
}

rk_status rk__profile_report(const rk_profile *profile, const rk_step *step, const char *path,
                             rk_run_log *log)
{
    rk_traffic work[RK_OP_COUNT];
    rk_device_ceilings best = {0};
    line lines[RK_OP_COUNT];
    if (profile->steps == 0) {
        rk__log(log, RK_LOG_INFO, "no profile: this run had no steps left to train");
        return RK_OK;
    }
    const rk_engine *e = step->engine;
    const rk_parameter *p = &e->model.parameters[0];
    int64_t row_bytes = (p->cols * (int64_t)sizeof(float) + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT;
    int64_t table_bytes = p->rows * p->cols * (int64_t)sizeof(float);
    rk_device_probe what = {.rows = p->rows,
                            .row_bytes = row_bytes,
                            .gathers = p->rows < MOST_GATHERS / 16 ? 16 * p->rows : MOST_GATHERS,
                            .copy_bytes = table_bytes > LEAST_COPY ? table_bytes : LEAST_COPY};
    RK_TRY(rk__profile_work(step, work));
    RK_TRY(e->device->measure(e->context, &what, &best));
    int n = make_lines(profile, work, &best, lines);
    RK_TRY(write_csv(lines, n, path));
    log_lines(lines, n, profile->steps, &best, log);
    return RK_OK;
}
