/*
 * Loading and replaying a program.
 *
 * Loading resolves every pointer once; a replay is a loop over calls. Eager mode is the same loop
 * over tensors that share no memory, are poisoned before each node writes them and fenced by guard
 * bands: after each node its outputs must be finite and the bands whole.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "device/cpu/cpu.h"
#include "device/eager.h"
#include "device/executor.h"

typedef void (*operation)(const rk_call *call);
typedef int64_t (*scratch_size)(const rk_call *call);

#define rk__cpu_scratch_none NULL

static const struct {
    operation run;
    scratch_size scratch; /* NULL: it has none */
} operations[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, in_min, in_max, n_out, gradient, traffic, cpu_scratch, ...)          \
    {rk__cpu_##name, rk__cpu_scratch_##cpu_scratch},
#include "ops/ops.def"
};

/* ---- loading ---- */

/* In eager mode each temporary with a guard band on both sides. */
static rk_status allocate_arena(const rk_device_context *c, rk_loaded *loaded)
{
    const rk_program *p = loaded->program;
    int64_t bytes = p->arena_bytes;
    if (c->eager) {
        bytes = RK_GUARD_BYTES;
        for (rk_value v = 0; v < p->n_tensors; v++) {
            if (rk__executor_is_root(&p->tensors[v])) {
                bytes += rk__cache_lines(rk__tensor_bytes(&p->tensors[v])) + RK_GUARD_BYTES;
            }
        }
    }
    RK_TRY(rk__cpu_alloc(c, &loaded->arena, bytes, "a program's temporaries"));
    if (c->eager) {
        rk__guard_fill(loaded->arena, bytes);
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
        } else if (c->eager && rk__executor_is_root(t)) {
            loaded->memory[v] = loaded->arena + next;
            next += rk__cache_lines(rk__tensor_bytes(t)) + RK_GUARD_BYTES;
        }
    }
    rk__executor_place(p, loaded->arena, loaded->memory);
}

/* memory NULL: a call without addresses. */
static rk_call call_of(const rk_device_context *c, const rk_program *p, int32_t i,
                       void *const *memory)
{
    rk_call call = {.threads = c->threads, .isa = c->isa};
    rk__executor_resolve(&call, p, &p->nodes[i], memory);
    return call;
}

/* The most scratch that one of the nodes wants. */
static int64_t working_bytes(const rk_device_context *c, const rk_program *p)
{
    int64_t most = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        rk_call call = call_of(c, p, i, NULL);
        scratch_size size = operations[call.node->op].scratch;
        int64_t bytes = size ? size(&call) : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}

rk_status rk__cpu_needs(rk_device_context *c, const rk_program *program,
                        rk_device_need out[RK_MAX_NEEDS], int *out_n)
{
    out[0] = (rk_device_need){.what = "working memory", .bytes = working_bytes(c, program)};
    *out_n = 1;
    return RK_OK;
}

static void free_loaded(rk_loaded *loaded)
{
    rk__free(loaded->calls);
    rk__free(loaded->memory);
    rk__free(loaded->arena);
    rk__free(loaded->scratch);
    rk__free(loaded);
}

static rk_status fill_loaded(rk_device_context *c, rk_loaded *loaded)
{
    const rk_program *p = loaded->program;
    RK_TRY(rk__calloc(&loaded->calls, p->n_nodes, sizeof *loaded->calls, "a loaded program"));
    RK_TRY(rk__calloc(&loaded->memory, p->n_tensors, sizeof *loaded->memory, "a loaded program"));
    RK_TRY(allocate_arena(c, loaded));
    place_tensors(c, loaded);
    RK_TRY(rk__alloc(&loaded->scratch, working_bytes(c, p), 1, "a program's working memory"));
    for (int32_t i = 0; i < p->n_nodes; i++) {
        loaded->calls[i] = call_of(c, p, i, loaded->memory);
        loaded->calls[i].scratch = loaded->scratch;
        loaded->calls[i].ranks = &c->ranks;
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

/* ---- eager checks ---- */

/* Outputs become NaN and -1, so that what a node forgets to write shows. */
static void poison_outputs(const rk_loaded *loaded, const rk_node *node)
{
    const rk_program *p = loaded->program;
    int32_t place = 0;
    for (rk_value v = 0; (v = rk__executor_next_new(p, node, &place)) != RK_NONE;) {
        memset(loaded->memory[v], RK_POISON, (size_t)rk__tensor_bytes(&p->tensors[v]));
    }
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
    int32_t place = 0;
    for (rk_value v = 0; (v = rk__next_written(&p->nodes[i], &place)) != RK_NONE;) {
        const char *data = loaded->memory[v];
        RK_TRY(rk__check_guards(p, i, v, data - RK_GUARD_BYTES,
                                data + rk__tensor_bytes(&p->tensors[v]), RK_GUARD_BYTES));
        RK_TRY(rk__check_finite(p, i, v, data, step_number(c)));
    }
    return RK_OK;
}

/* ---- running ---- */

static void run_node(const rk_device_context *c, const rk_loaded *loaded, int32_t i)
{
    rk_op op = loaded->program->nodes[i].op;
    double start = c->times ? rk__now() : 0;
    operations[op].run(&loaded->calls[i]);
    if (c->times) {
        c->times[op].seconds += rk__now() - start;
        c->times[op].calls++;
    }
}

/* Programs of many operations tell how many of them are done. */
enum { LEAST_OPERATIONS = 12 };

static bool is_left(rk_device_context *c, int32_t done, int32_t n_nodes)
{
    if (done == n_nodes) {
        return atomic_load(&c->watch.left);
    }
    const bool has_count = n_nodes >= LEAST_OPERATIONS;
    return rk__cpu_watch_look(&c->watch, has_count ? done : 0, has_count ? n_nodes : 0,
                              "operations");
}

rk_status rk__cpu_run(rk_device_context *c, rk_loaded *loaded, int64_t steps)
{
    const rk_program *p = loaded->program;
    rk__cpu_watch_begin(&c->watch);
    for (int64_t step = 0; step < steps; step++) {
        for (int32_t i = 0; i < p->n_nodes; i++) {
            if (c->eager) {
                poison_outputs(loaded, &p->nodes[i]);
            }
            loaded->calls[i].watch = c->watch.outer ? &c->watch : NULL;
            run_node(c, loaded, i);
            RK_TRY(c->ranks.status);
            if (is_left(c, i + 1, p->n_nodes)) {
                RK_FAIL(RK_ERR_INTERRUPTED, "%s was left", p->name);
            }
            if (c->eager) {
                RK_TRY(check_written(c, loaded, i));
            }
        }
    }
    rk__cpu_watch_end(&c->watch);
    return RK_OK;
}
