#include "engine/memory.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static const char *type_name(rk_dtype dtype)
{
    static const char *const names[] = {"float32", "float64", "int32", "int64", "state", "float16"};
    return names[dtype];
}

/* What makes a stored tensor smaller, by its name. */
static const char *option_of(const char *name)
{
    static const struct {
        const char *prefix, *option;
    } options[] = {
        {"graph.gram", "graph.form (direct needs none)"},
        {"graph.", "data.min_user or data.min_item (raise them)"},
        {"valid.", "data.min_user or data.min_item (raise them)"},
        {"sampling.", "data.min_user or data.min_item (raise them)"},
        {"neighbours.", "loss.neighbours"},
        {"rank.", "eval.k"},
        {"tile.", "data.min_item (raise it)"},
        {"ease.",
         "the number of users and items (raise data.min_user or data.min_item): ease keeps "
         "the square of the smaller one"},
        {"neighbours", "model.neighbours"},
        {"similarities", "model.neighbours"},
        {"lists.", "model.neighbours"},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strncmp(name, options[i].prefix, strlen(options[i].prefix)) == 0) {
            return options[i].option;
        }
    }
    return "model.dim";
}

static rk_status add(rk_memory_table *table, rk_memory_row row)
{
    if (__builtin_add_overflow(table->total, row.bytes, &table->total)) {
        RK_FAIL(RK_ERR_MEMORY, "the memory that the run needs overflows 64 bits at %s; lower %s",
                row.what, row.option ? row.option : "model.dim");
    }
    if (table->n == table->capacity) {
        const int64_t capacity = 2 * table->capacity + 32;
        RK_TRY(rk__realloc(&table->rows, table->capacity, capacity, sizeof *table->rows,
                           "the table of memory"));
        table->capacity = capacity;
    }
    table->rows[table->n++] = row;
    return RK_OK;
}

rk_status rk__memory_add_store(rk_memory_table *table, const rk_device *device,
                               const rk_store *store)
{
    bool lends = device->peek != NULL;
    for (int32_t i = 0; i < store->n; i++) {
        const rk_stored *s = &store->items[i];
        int64_t bytes = rk__stored_bytes(s); /* checked by store_add */
        if (bytes > 0 && !(lends && s->constant)) {
            rk_memory_row row = {
                .type = type_name(s->dtype), .bytes = bytes, .option = option_of(s->name)};
            snprintf(row.what, sizeof row.what, "%s", s->name);
            RK_TRY(add(table, row));
        }
    }
    return RK_OK;
}

static bool has(const rk_memory_table *table, const char *what)
{
    for (int64_t i = 0; i < table->n; i++) {
        if (strcmp(table->rows[i].what, what) == 0) {
            return true;
        }
    }
    return false;
}

rk_status rk__memory_add_program(rk_memory_table *table, const rk_device *device,
                                 rk_device_context *context, const rk_program *program,
                                 const char *option)
{
    rk_device_need needs[RK_MAX_NEEDS];
    int n = 0;
    rk_memory_row row = {.type = "mixed", .bytes = program->arena_bytes, .option = option};
    snprintf(row.what, sizeof row.what, "%s: temporaries", program->name);
    if (row.bytes > 0) {
        RK_TRY(add(table, row));
    }
    RK_TRY(device->needs(context, program, needs, &n));
    for (int i = 0; i < n; i++) {
        row = (rk_memory_row){
            .type = "bytes", .bytes = needs[i].bytes, .option = needs[i].is_shared ? NULL : option};
        if (needs[i].is_shared) {
            snprintf(row.what, sizeof row.what, "%s", needs[i].what);
        } else {
            snprintf(row.what, sizeof row.what, "%s: %s", program->name, needs[i].what);
        }
        if (row.bytes > 0 && !has(table, row.what)) {
            RK_TRY(add(table, row));
        }
    }
    return RK_OK;
}

rk_status rk__memory_add(rk_memory_table *table, const char *what, int64_t bytes,
                         const char *option)
{
    rk_memory_row row = {.type = "bytes", .bytes = bytes, .option = option};
    snprintf(row.what, sizeof row.what, "%s", what);
    return add(table, row);
}

void rk__memory_free(rk_memory_table *table)
{
    rk__free(table->rows);
    *table = (rk_memory_table){0};
}

typedef struct size_text {
    char s[24];
} size_text;

static size_text size_of(int64_t bytes)
{
    size_text text;
    bool large = bytes >= 10000000000;
    snprintf(text.s, sizeof text.s, "%.1f %s", (double)bytes / (large ? 1e9 : 1e6),
             large ? "GB" : "MB");
    return text;
}

static void log_row(const rk_hooks *hooks, rk_log_level level, const char *what, const char *type,
                    int64_t bytes)
{
    char text[160];
    snprintf(text, sizeof text, "  %-36s %-8s %12s", what, type, size_of(bytes).s);
    hooks->log(hooks->user, level, text);
}

void rk__memory_log(const rk_memory_table *table, const rk_device *device, int64_t free_bytes,
                    const rk_hooks *hooks)
{
    char text[160], others[48] = "";
    if (!hooks || !hooks->log) {
        return;
    }
    if (free_bytes > 0) {
        snprintf(others, sizeof others, ", %s are free", size_of(free_bytes).s);
    }
    snprintf(text, sizeof text, "memory on %s: %s to allocate%s", device->name,
             size_of(table->total).s, others);
    hooks->log(hooks->user, RK_LOG_INFO, text);
    rk_log_level level = device->peek ? RK_LOG_DEBUG : RK_LOG_INFO;
    int64_t small = 0, n_small = 0;
    for (int64_t i = 0; i < table->n; i++) {
        const rk_memory_row *row = &table->rows[i];
        if (row->bytes >= table->total / 1000) {
            log_row(hooks, level, row->what, row->type, row->bytes);
        } else {
            small += row->bytes;
            n_small++;
        }
    }
    if (n_small > 0) {
        snprintf(others, sizeof others, "%lld smaller ones", (long long)n_small);
        log_row(hooks, level, others, "", small);
    }
}

rk_status rk__memory_check(const rk_memory_table *table, const rk_device *device,
                           int64_t free_bytes)
{
    if (free_bytes <= 0 || table->total <= free_bytes) {
        return RK_OK;
    }
    const rk_memory_row *largest = NULL;
    for (int64_t i = 0; i < table->n; i++) {
        const rk_memory_row *row = &table->rows[i];
        if (row->option && (!largest || row->bytes > largest->bytes)) {
            largest = row;
        }
    }
    RK_FAIL(RK_ERR_MEMORY,
            "the run needs %s on %s and %s are free (other processes count too); the largest part "
            "that an option changes is \"%s\", %s: lower %s%s",
            size_of(table->total).s, device->name, size_of(free_bytes).s,
            largest ? largest->what : "", size_of(largest ? largest->bytes : 0).s,
            largest ? largest->option : "model.dim", device->peek ? "" : ", or use --device cpu");
}
