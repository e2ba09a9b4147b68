/*
 * Loading and replaying a program.
 *
 * Loading resolves every pointer once; a replay is a loop over calls. Eager mode is the same loop
 * over tensors that share no memory, are poisoned before each node writes them and fenced by guard
 * bands: after each node its outputs must be finite and the bands whole.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "device/cpu/cpu.h"

typedef void (*operation)(const rk_cpu_call *call);

static const operation operations[RK_OP_COUNT] = {
#define RK_CPU_FUNCTION(ENUM, name, min, max, outs, grad, help) rk__cpu_##name,
    RK_OPS(RK_CPU_FUNCTION)
#undef RK_CPU_FUNCTION
};

typedef int64_t (*scratch_size)(const rk_cpu_call *call);

static const scratch_size scratch_sizes[RK_OP_COUNT] = {
    [RK_OP_PROPAGATE_ROWS] = rk__cpu_scratch_propagate_rows,
    [RK_OP_PROPAGATE_FROM_ROWS] = rk__cpu_scratch_propagate_from_rows,
    [RK_OP_BPR_LOSS] = rk__cpu_scratch_bpr_loss,
    [RK_OP_L2_LOSS] = rk__cpu_scratch_l2_loss,
    [RK_OP_SCORE_TOPK] = rk__cpu_scratch_score_topk,
};

/* ---- loading ----------------------------------------------------------------------------------*/

/* Is this tensor a temporary with memory of its own (not an alias, not orphaned)? */
static bool is_root(const rk_tensor *t)
{
    return t->stored < 0 && t->alias_of == RK_NONE && t->producer >= 0;
}

/* In eager mode each temporary with a guard band on both sides. */
static rk_status allocate_arena(const rk_device_context *c, rk_loaded *loaded)
{
    const rk_program *p = loaded->program;
    int64_t bytes = p->arena_bytes;
    if (c->eager) {
        bytes = RK_GUARD_BYTES;
        for (rk_value v = 0; v < p->n_tensors; v++) {
            if (is_root(&p->tensors[v])) {
                bytes += rk__cache_lines(rk__tensor_bytes(&p->tensors[v])) + RK_GUARD_BYTES;
            }
        }
    }
    RK_TRY(rk__alloc(&loaded->arena, bytes, 1, "a program's temporaries"));
    if (c->eager) {
        memset(loaded->arena, RK_GUARD_PATTERN, (size_t)bytes);
    }
    return RK_OK;
}

static void place_tensors(const rk_device_context *c, rk_loaded *loaded)
{
    const rk_program *p = loaded->program;
    int64_t next = RK_GUARD_BYTES;
    for (rk_value v = 0; v < p->n_tensors; v++) {
        const rk_tensor *t = &p->tensors[v];
        if (t->stored >= 0) {
            loaded->memory[v] = c->stored[t->stored].data;
        } else if (is_root(t) && c->eager) {
            loaded->memory[v] = loaded->arena + next;
            next += rk__cache_lines(rk__tensor_bytes(t)) + RK_GUARD_BYTES;
        } else if (is_root(t)) {
            loaded->memory[v] = loaded->arena + t->offset;
        } else if (t->alias_of != RK_NONE) { /* an earlier tensor, so it has its place */
            loaded->memory[v] = loaded->memory[t->alias_of];
        }
    }
}

static void resolve_call(const rk_device_context *c, const rk_loaded *loaded, int32_t i)
{
    const rk_node *node = &loaded->program->nodes[i];
    rk_cpu_call *call = &loaded->calls[i];
    *call = (rk_cpu_call){
        .program = loaded->program, .node = node, .isa = c->isa, .threads = c->threads};
    for (int32_t j = 0; j < node->n_inputs; j++) {
        call->in[j] = node->in[j] == RK_NONE ? NULL : loaded->memory[node->in[j]];
    }
    for (int32_t j = 0; j < node->n_outputs; j++) {
        call->out[j] = loaded->memory[node->out[j]];
    }
}

static void free_loaded(rk_loaded *loaded)
{
    rk__free(loaded->calls);
    rk__free(loaded->memory);
    rk__free(loaded->arena);
    rk__free(loaded->scratch);
    rk__free(loaded);
}

static rk_status fill_loaded(const rk_device_context *c, rk_loaded *loaded)
{
    const rk_program *p = loaded->program;
    RK_TRY(rk__calloc(&loaded->calls, p->n_nodes, sizeof *loaded->calls, "a loaded program"));
    RK_TRY(rk__calloc(&loaded->memory, p->n_tensors, sizeof *loaded->memory, "a loaded program"));
    RK_TRY(allocate_arena(c, loaded));
    place_tensors(c, loaded);
    int64_t most = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        resolve_call(c, loaded, i);
        scratch_size size = scratch_sizes[p->nodes[i].op];
        int64_t bytes = size ? size(&loaded->calls[i]) : 0;
        most = bytes > most ? bytes : most;
    }
    RK_TRY(rk__alloc(&loaded->scratch, most, 1, "a program's working memory"));
    for (int32_t i = 0; i < p->n_nodes; i++) {
        loaded->calls[i].scratch = loaded->scratch;
    }
    return RK_OK;
}

rk_status rk__cpu_load(rk_device_context *c, const rk_program *program, rk_loaded **out)
{
    RK_ASSERT(program->planned && c->store == program->store);
    rk_loaded *loaded = NULL;
    RK_TRY(rk__calloc(&loaded, 1, sizeof *loaded, "a loaded program"));
    loaded->program = program;
    rk_status status = fill_loaded(c, loaded);
    if (status != RK_OK) {
        free_loaded(loaded);
        return status;
    }
    loaded->next = c->loaded;
    c->loaded = loaded;
    *out = loaded;
    return RK_OK;
}

void rk__cpu_unload(rk_device_context *c, rk_loaded *loaded)
{
    for (rk_loaded **link = &c->loaded; loaded && *link; link = &(*link)->next) {
        if (*link == loaded) {
            *link = loaded->next;
            free_loaded(loaded);
            return;
        }
    }
}

/* ---- eager checks -----------------------------------------------------------------------------*/

/* Inputs that an operation writes to. */
static bool is_updated(rk_op op, int32_t input)
{
    switch (op) {
    case RK_OP_ADAM:
        return input == 0 || input == 2 || input == 3;
    case RK_OP_SGD:
    case RK_OP_STEP_LOSS:
    case RK_OP_STEP_ADVANCE:
        return input == 0;
    default:
        return false;
    }
}

/* The tensors that a node writes, one after the other: outputs, then updated inputs. RK_NONE at
 * the end; *place starts at 0. */
static rk_value next_written(const rk_node *node, int32_t *place)
{
    while (*place < node->n_outputs + node->n_inputs) {
        int32_t i = (*place)++;
        if (i < node->n_outputs) {
            return node->out[i];
        }
        if (is_updated(node->op, i - node->n_outputs)) {
            return node->in[i - node->n_outputs];
        }
    }
    return RK_NONE;
}

/* Outputs become NaN and -1, so that what a node forgets to write shows. */
static void poison_outputs(const rk_loaded *loaded, const rk_node *node)
{
    for (int32_t i = 0; i < node->n_outputs; i++) {
        const rk_tensor *t = &loaded->program->tensors[node->out[i]];
        if (t->alias_of == RK_NONE) {
            memset(loaded->memory[node->out[i]], RK_POISON, (size_t)rk__tensor_bytes(t));
        }
    }
}

static bool is_guard_whole(const char *start)
{
    for (int i = 0; i < RK_GUARD_BYTES; i++) {
        if ((unsigned char)start[i] != RK_GUARD_PATTERN) {
            return false;
        }
    }
    return true;
}

/* Index of the first element that is not finite, or -1. */
static int64_t first_bad(const rk_tensor *t, const void *data)
{
    for (int64_t i = 0; i < t->rows * t->cols; i++) {
        if (t->dtype == RK_F32 ? !isfinite(((const float *)data)[i])
                               : !isfinite(((const double *)data)[i])) {
            return i;
        }
    }
    return -1;
}

/* The step being run, from 1; 0 if the store has no step state. */
static int64_t step_number(const rk_device_context *c)
{
    int32_t stored = rk__store_find(c->store, "step_state");
    return stored < 0 ? 0 : ((const rk_step_state *)c->stored[stored].data)->step + 1;
}

static rk_status check_written(const rk_device_context *c, const rk_loaded *loaded, int32_t i)
{
    const rk_program *p = loaded->program;
    const rk_node *node = &p->nodes[i];
    int32_t place = 0;
    for (rk_value v = 0; (v = next_written(node, &place)) != RK_NONE;) {
        const rk_tensor *t = &p->tensors[v];
        const char *data = loaded->memory[v];
        if (!is_guard_whole(data - RK_GUARD_BYTES) || !is_guard_whole(data + rk__tensor_bytes(t))) {
            RK_FAIL(RK_ERR_INTERNAL, "program %s, node %d (%s) wrote beside %s [%lld, %lld]",
                    p->name, i, rk__op_name(node->op), t->name, (long long)t->rows,
                    (long long)t->cols);
        }
        bool is_real = t->dtype == RK_F32 || t->dtype == RK_F64;
        int64_t bad = is_real ? first_bad(t, data) : -1;
        if (bad >= 0) {
            double value = t->dtype == RK_F32 ? (double)((const float *)(const void *)data)[bad]
                                              : ((const double *)(const void *)data)[bad];
            RK_FAIL(RK_ERR_DIVERGED,
                    "step %lld: node %d (%s) of program %s made %s[%lld, %lld] %g; a smaller "
                    "train.learning_rate may help",
                    (long long)step_number(c), i, rk__op_name(node->op), p->name, t->name,
                    (long long)(bad / t->cols), (long long)(bad % t->cols), value);
        }
    }
    return RK_OK;
}

/* ---- running ----------------------------------------------------------------------------------*/

static void run_node(const rk_device_context *c, const rk_loaded *loaded, int32_t i)
{
    rk_op op = loaded->program->nodes[i].op;
    double start = c->times ? rk__now() : 0;
    operations[op](&loaded->calls[i]);
    if (c->times) {
        c->times[op].seconds += rk__now() - start;
        c->times[op].calls++;
    }
}

rk_status rk__cpu_run(rk_device_context *c, rk_loaded *loaded, int64_t steps)
{
    const rk_program *p = loaded->program;
    for (int64_t step = 0; step < steps; step++) {
        for (int32_t i = 0; i < p->n_nodes; i++) {
            if (c->eager) {
                poison_outputs(loaded, &p->nodes[i]);
            }
            run_node(c, loaded, i);
            if (c->eager) {
                RK_TRY(check_written(c, loaded, i));
            }
        }
    }
    return RK_OK;
}
