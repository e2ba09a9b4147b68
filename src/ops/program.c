/* Stores, programs as growing arrays, and the facts that the table of operations gives. */
#include "ops/program.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ops/columns.h"

/* Whether the word is another than `none`, which brings a comma and so shifts `false` into third
 * place; its length says nothing: there is a `fold`. */
#define IS_NONE_none ,
#define THIRD(a, b, third, ...) third
#define THIRD_OF(...) THIRD(__VA_ARGS__)
#define HAS_RULE(rule) THIRD_OF(IS_NONE_##rule, false, true, )

static const rk_op_info op_table[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, traffic, cpu, cuda, updates, halves,       \
                  restrict, at_rows, shards, by_columns, flags, help)                              \
    {#name,                                                                                        \
     help,                                                                                         \
     min,                                                                                          \
     max,                                                                                          \
     outs,                                                                                         \
     HAS_RULE(gradient),                                                                           \
     HAS_RULE(restrict),                                                                           \
     at_rows,                                                                                      \
     RK_SHARDS_##shards,                                                                           \
     (by_columns)&ALL_INPUTS,                                                                      \
     updates,                                                                                      \
     (halves)&ALL_INPUTS,                                                                          \
     (halves) >> RK_MAX_INPUTS,                                                                    \
     flags},
#include "ops/ops.def"
};

const rk_op_info *rk__op_info(rk_op op)
{
    RK_ASSERT((unsigned)op < RK_OP_COUNT);
    return &op_table[op];
}

const char *rk__op_name(rk_op op)
{
    return rk__op_info(op)->name;
}

int64_t rk__dtype_size(rk_dtype dtype)
{
    static const int64_t sizes[] = {4, 8, 4, 8, sizeof(rk_step_state), 2};
    RK_ASSERT((unsigned)dtype <= RK_F16);
    return sizes[dtype];
}

bool rk__reads(const rk_node *node, rk_value value)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        if (node->in[j] == value) {
            return true;
        }
    }
    return false;
}

const rk_node *rk__edge_draw_of(const rk_program *p, const rk_node *node)
{
    int32_t producer = p->tensors[node->in[0]].producer;
    bool is_drawn = producer >= 0 && p->nodes[producer].op == RK_OP_DROP_EDGES;
    return is_drawn ? &p->nodes[producer] : NULL;
}

int32_t rk__stored_offsets(const rk_program *p, const rk_node *node)
{
    const rk_node *draw = rk__edge_draw_of(p, node);
    return p->tensors[draw ? draw->in[0] : node->in[0]].stored;
}

rk_value rk__updated_parameter(const rk_program *p, const rk_node *node)
{
    uint32_t updates = rk__op_info(node->op)->updates;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        if (updates >> i & 1) {
            return p->tensors[node->in[i]].dtype == RK_STATE ? RK_NONE : node->in[i];
        }
    }
    return RK_NONE;
}

rk_status rk__store_add(rk_store *store, const char *name, rk_dtype dtype, int64_t rows,
                        int64_t cols, const void *constant, int32_t *out)
{
    RK_ASSERT(rk__store_find(store, name) < 0 && strlen(name) < RK_NAME_LENGTH);
    RK_ASSERT(rows >= 0 && cols >= 0 && !(dtype == RK_F16 && constant));
    int64_t elements = 0, bytes = 0;
    RK_TRY(rk__mul(&elements, rows, cols, name));
    RK_TRY(rk__mul(&bytes, elements, rk__dtype_size(dtype), name));
    if (store->n == store->capacity) {
        int32_t capacity = store->capacity ? 2 * store->capacity : 32;
        RK_TRY(rk__realloc(&store->items, store->n, capacity, sizeof *store->items,
                           "the table of stored tensors"));
        store->capacity = capacity;
    }
    rk_stored *item = &store->items[store->n];
    *item = (rk_stored){.dtype = dtype, .rows = rows, .cols = cols, .constant = constant};
    snprintf(item->name, sizeof item->name, "%s", name);
    *out = store->n++;
    return RK_OK;
}

rk_status rk__store_add_sharded(rk_store *store, const char *name, rk_dtype dtype, int64_t rows,
                                int64_t cols, int32_t *out)
{
    if (store->ranks <= 1) {
        return rk__store_add(store, name, dtype, rows, cols, NULL, out);
    }
    const int64_t own = cols / store->ranks;
    RK_ASSERT(own * store->ranks == cols);
    RK_TRY(rk__store_add(store, name, dtype, rows, own, NULL, out));
    store->items[*out].first_column = own * store->rank;
    store->items[*out].all_columns = cols;
    return RK_OK;
}

void rk__store_order_rows(rk_store *store, int32_t offsets, const int32_t *order)
{
    RK_ASSERT(offsets >= 0 && offsets < store->n && store->items[offsets].dtype == RK_I64);
    store->items[offsets].row_order = order;
}

int32_t rk__store_find(const rk_store *store, const char *name)
{
    for (int32_t i = 0; i < store->n; i++) {
        if (strcmp(store->items[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

void rk__store_free(rk_store *store)
{
    rk__free(store->items);
    *store = (rk_store){0};
}

void rk__program_init(rk_program *program, const rk_store *store, const char *name)
{
    *program = (rk_program){.store = store, .n_lanes = 1};
    snprintf(program->name, sizeof program->name, "%s", name);
}

void rk__program_free(rk_program *program)
{
    rk__free(program->tensors);
    rk__free(program->nodes);
    rk__free(program->terms);
    *program = (rk_program){0};
}
