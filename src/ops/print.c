/*
 * A program as one readable page: what was done to it, what it stands on, and a line an operation.
 *
 * A result is called by the number of its operation (#7, or #7.1 for its second output), a stored
 * tensor by its name, the three tensors of a graph "graph", the six of a batch's row set "rows #1".
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "ops/family.h"

static const char *dtype_name(rk_dtype dtype)
{
    static const char *const names[] = {"f32", "f64", "i32", "i64", "state", "f16"};
    return names[dtype];
}

static void add_shape(rk_buffer *out, const rk_tensor *t)
{
    rk__buffer_add(out, "%s", dtype_name(t->dtype));
    if (t->rows != 1 || t->cols != 1) {
        rk__buffer_add(out, " [%lld, %lld]", (long long)t->rows, (long long)t->cols);
    }
}

/* Which output of its producer the value is. */
static int32_t place_of(const rk_program *p, rk_value v)
{
    const rk_node *node = &p->nodes[p->tensors[v].producer];
    int32_t i = 0;
    while (i < node->n_outputs - 1 && node->out[i] != v) {
        i++;
    }
    return i;
}

static void name_of(const rk_program *p, rk_value v, char *out, size_t size)
{
    const rk_tensor *t = &p->tensors[v];
    const rk_op op = t->producer >= 0 ? p->nodes[t->producer].op : RK_OP_COUNT;
    int32_t place = t->producer >= 0 ? place_of(p, v) : 0;
    if (t->stored >= 0) {
        bool is_graph = strncmp(t->name, "graph.", 6) == 0 &&
                        (strcmp(t->name + 6, "offsets") == 0 ||
                         strcmp(t->name + 6, "columns") == 0 || strcmp(t->name + 6, "scale") == 0);
        snprintf(out, size, "%s", is_graph ? "graph" : t->name);
    } else if (op == RK_OP_UNIQUE_ROWS || op == RK_OP_DROP_EDGES) {
        snprintf(out, size, "%s #%d", op == RK_OP_DROP_EDGES ? "graph" : "rows", t->producer);
    } else if (place > 0) {
        snprintf(out, size, "#%d.%d", t->producer, place);
    } else {
        snprintf(out, size, "#%d", t->producer);
    }
}

/* Each name once: the tensors of a graph or of a row set have the same. */
static void add_inputs(rk_buffer *out, const rk_program *p, const rk_node *node)
{
    char names[RK_MAX_INPUTS][RK_NAME_LENGTH + 16];
    int32_t n = 0;
    for (int32_t j = 0; j < node->n_inputs; j++) {
        bool is_new = node->in[j] != RK_NONE;
        if (is_new) {
            name_of(p, node->in[j], names[n], sizeof names[n]);
        }
        for (int32_t k = 0; k < n && is_new; k++) {
            is_new = strcmp(names[k], names[n]) != 0;
        }
        if (is_new) {
            rk__buffer_add(out, "%s%s", n > 0 ? ", " : "", names[n]);
            n++;
        }
    }
}

static rk_status add_results(rk_buffer *out, const rk_program *p, const rk_node *node)
{
    rk_buffer text = {0};
    char *line = NULL;
    if (node->op == RK_OP_UNIQUE_ROWS) {
        rk__buffer_add(&text, "up to %lld rows", (long long)p->tensors[node->out[0]].rows);
    }
    for (int32_t j = 0; j < node->n_outputs && node->op != RK_OP_UNIQUE_ROWS; j++) {
        const rk_tensor *t = &p->tensors[node->out[j]];
        rk__buffer_add(&text, "%s%s", j > 0 ? ", " : "", t->stored >= 0 ? t->name : "");
        rk__buffer_add(&text, "%s", t->stored >= 0 ? " " : "");
        add_shape(&text, t);
    }
    rk_value updated = rk__updated_parameter(p, node);
    if (updated != RK_NONE) {
        rk__buffer_add(&text, "updates %s", p->tensors[updated].name);
    }
    RK_TRY(rk__buffer_take(&text, &line));
    rk__buffer_add(out, "%-40s ", line);
    rk__free(line);
    return RK_OK;
}

static double bytes_of(const rk_program *p, const rk_node *node, const rk_batch_facts *batch)
{
    return batch ? rk__node_traffic(p, node, batch).bytes : 0;
}

static void add_head(rk_buffer *out, const rk_program *p, const rk_batch_facts *batch)
{
    static const char *const names[RK_PASS_COUNT] = {"share", "restrict", "backward", "prune",
                                                     "shard", "fuse",     "narrow",   "fork"};
    double total = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        total += bytes_of(p, &p->nodes[i], batch);
    }
    rk__buffer_add(out, "program %s: %d operations, temporaries in %.2f MB", p->name, p->n_nodes,
                   1e-6 * (double)p->arena_bytes);
    if (batch) {
        rk__buffer_add(out, ", %.2f MB moved each time", 1e-6 * total);
    }
    rk__buffer_add(out, "\npasses (operations before -> after):");
    const char *separator = " ";
    for (int i = 0; i < RK_PASS_COUNT; i++) {
        if (p->passes[i].after > 0) {
            rk__buffer_add(out, "%s%s %d -> %d", separator, names[i], p->passes[i].before,
                           p->passes[i].after);
            separator = ", ";
        }
    }
    rk__buffer_add(out, "%s\nstored:", *separator == ' ' ? " none" : "");
    separator = " ";
    for (rk_value v = 0, n = 0; v < p->n_tensors; v++) {
        if (p->tensors[v].stored >= 0) {
            rk__buffer_add(out, "%s%s ", separator, p->tensors[v].name);
            add_shape(out, &p->tensors[v]);
            separator = ++n % 3 == 0 ? ",\n        " : ", ";
        }
    }
    rk__buffer_add(out, "\n\n");
}

rk_status rk__program_print(const rk_program *p, const rk_batch_facts *batch, char **out_text)
{
    rk_buffer out = {0};
    add_head(&out, p, batch);
    rk__buffer_add(&out, "  #  %s%-24s %-40s %8s  %s\n", p->n_lanes > 1 ? "lane  " : "",
                   "operation", "result", batch ? "MB" : "", "reads");
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        rk__buffer_add(&out, "%3d  ", i);
        if (p->n_lanes > 1) {
            rk__buffer_add(&out, "%-6d", node->lane);
        }
        rk__buffer_add(&out, "%-24s ", rk__op_name(node->op));
        rk_status status = add_results(&out, p, node);
        if (status != RK_OK) {
            rk__buffer_free(&out);
            return status;
        }
        if (batch) {
            rk__buffer_add(&out, "%8.3f  ", 1e-6 * bytes_of(p, node, batch));
        } else {
            rk__buffer_add(&out, "%8s  ", "");
        }
        add_inputs(&out, p, node);
        rk__buffer_add(&out, "\n");
    }
    return rk__buffer_take(&out, out_text);
}
