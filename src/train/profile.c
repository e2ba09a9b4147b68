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

rk_status rk__profile_check(const rk_session *s)
{
    if (!s->device->profile || !s->device->measure) {
        RK_FAIL(RK_ERR_DEVICE, "device %s cannot tell where its time goes: no profile",
                s->device->name);
    }
    return RK_OK;
}

rk_status rk__profile_step(rk_profile *profile, rk_session *s, int64_t steps)
{
    s->device->profile(s->context, profile->times);
    rk_status status = rk__session_step(s, steps);
    s->device->profile(s->context, NULL);
    profile->steps += steps;
    return status;
}

/* Adds the nodes of a batch that were not in it yet; seen[node] = number of the last batch. */
static void add_node(const rk_graph *graph, int32_t node, int32_t batch, int32_t *seen,
                     rk_batch_facts *sum)
{
    if (seen[node] != batch) {
        seen[node] = batch;
        sum->rows += 1;
        sum->edges += (double)rk__graph_degree(graph, node);
        sum->user_edges += node < graph->n_users ? (double)rk__graph_degree(graph, node) : 0;
    }
}

/* The neighbours of a positive, in the row set that also has the users. */
static void add_neighbours(const rk_session *s, int32_t positive, int32_t batch, int32_t *seen,
                           rk_batch_facts *sum)
{
    const rk_neighbours *n = &s->neighbours;
    for (int64_t k = 0; k < n->k; k++) {
        int32_t node = n->node[(positive - s->graph.n_users) * n->k + k];
        if (node >= 0) {
            add_node(&s->graph, node, batch, seen, sum);
        }
    }
}

static void add_triplet(const rk_session *s, const rk_sampler *sampler, int64_t b, int32_t batch,
                        int32_t *seen[RK_BATCH_SETS], rk_batch_facts sum[RK_BATCH_SETS])
{
    int32_t user = -1, positive = -1;
    rk__draw_positive(sampler, b, &user, &positive);
    add_node(&s->graph, user, batch, seen[0], &sum[0]);
    add_node(&s->graph, positive, batch, seen[0], &sum[0]);
    for (int64_t k = 0; k < s->sample.n_candidates; k++) {
        int32_t negative = rk__draw_negative(sampler, user, b * s->sample.n_candidates + k);
        add_node(&s->graph, negative, batch, seen[0], &sum[0]);
    }
    if (s->neighbours.k > 0) {
        add_node(&s->graph, user, batch, seen[1], &sum[1]);
        add_neighbours(s, positive, batch, seen[1], &sum[1]);
    }
}

rk_status rk__profile_batch(const rk_session *s, rk_batch_facts out[RK_BATCH_SETS])
{
    int64_t n = s->graph.n_nodes;
    int32_t *memory = NULL;
    rk_batch_facts sum[RK_BATCH_SETS] = {0};
    RK_TRY(rk__calloc(&memory, RK_BATCH_SETS * n, sizeof *memory, "the nodes of a batch"));
    int32_t *seen[RK_BATCH_SETS] = {memory, memory + n};
    for (int32_t step = 0; step < BATCHES_LOOKED_AT; step++) {
        rk_sampler sampler = rk__sampling_sampler(&s->sampling, &s->graph, &s->sample,
                                                  (uint64_t)s->options->run.seed, step);
        for (int64_t b = 0; b < s->sample.batch; b++) {
            add_triplet(s, &sampler, b, step + 1, seen, sum);
        }
    }
    rk__free(memory);
    for (int i = 0; i < RK_BATCH_SETS; i++) {
        out[i] = (rk_batch_facts){sum[i].rows / BATCHES_LOOKED_AT, sum[i].edges / BATCHES_LOOKED_AT,
                                  sum[i].user_edges / BATCHES_LOOKED_AT};
    }
    return RK_OK;
}

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

rk_status rk__profile_report(const rk_profile *profile, rk_session *s, const char *path,
                             rk_run_log *log)
{
    rk_traffic work[RK_OP_COUNT];
    rk_batch_facts batch[RK_BATCH_SETS];
    rk_device_ceilings best = {0};
    line lines[RK_OP_COUNT];
    if (profile->steps == 0) {
        rk__log(log, RK_LOG_INFO, "no profile: this run had no steps left to train");
        return RK_OK;
    }
    const rk_parameter *p = &s->model.parameters[0];
    int64_t row_bytes = (p->cols * (int64_t)sizeof(float) + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT;
    int64_t table_bytes = p->rows * p->cols * (int64_t)sizeof(float);
    rk_device_probe what = {.rows = p->rows,
                            .row_bytes = row_bytes,
                            .gathers = p->rows < MOST_GATHERS / 16 ? 16 * p->rows : MOST_GATHERS,
                            .copy_bytes = table_bytes > LEAST_COPY ? table_bytes : LEAST_COPY};
    RK_TRY(rk__profile_batch(s, batch));
    rk__program_traffic(&s->train, batch, work);
    RK_TRY(s->device->measure(s->context, &what, &best));
    int n = make_lines(profile, work, &best, lines);
    RK_TRY(write_csv(lines, n, path));
    log_lines(lines, n, profile->steps, &best, log);
    return RK_OK;
}
