/* The CPU device: the context, its tensors in host memory, and the table of functions. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "device/cpu/cpu.h"
#include "device/eager.h"

static const rk_isa *const isa_tables[] = {
#if defined(__x86_64__)
    &rk__isa_avx512,
    &rk__isa_avx2,
#endif
    &rk__isa_baseline,
    NULL,
};

const rk_isa *const *rk__isa_all(void)
{
    return isa_tables;
}

/* Asked here and not beside the tables, whose files are compiled for what may not be there. */
bool rk__isa_is_supported(const rk_isa *isa)
{
#if defined(__x86_64__)
    if (isa == &rk__isa_avx512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi2");
    }
    if (isa == &rk__isa_avx2) {
        /* F16C is older than AVX2 and in every processor that has that; clang 14 cannot ask. */
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    }
#endif
    return isa == &rk__isa_baseline;
}

static rk_status choose_isa(const char *name, const rk_isa **out)
{
    for (int i = 0; isa_tables[i]; i++) {
        bool fits = !name || strcmp(name, isa_tables[i]->name) == 0;
        if (fits && rk__isa_is_supported(isa_tables[i])) {
            *out = isa_tables[i];
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_DEVICE, "cpu: this processor has no %s", name);
}

static rk_status probe(int64_t index)
{
    (void)index; /* a GPU's */
    return RK_OK;
}

/* Ranks that nobody has bound to cores of their own share those of the machine. */
static int threads_of(const rk_device_options *options)
{
    const int threads = rk__threads(options->threads);
    const int local = options->ranks ? rk__comm_local_size(options->ranks) : 1;
    const bool is_bound = omp_get_num_procs() < sysconf(_SC_NPROCESSORS_ONLN);
    if (options->threads > 0 || local == 1 || is_bound) {
        return threads;
    }
    return threads / local > 0 ? threads / local : 1;
}

static rk_status open_cpu(const rk_device_options *options, rk_device_context **out)
{
    const rk_isa *isa = NULL;
    RK_TRY(choose_isa(options->isa, &isa));
    RK_TRY(rk__calloc(out, 1, sizeof **out, "the CPU device"));
    (*out)->isa = isa;
    (*out)->eager = options->eager;
    (*out)->threads = threads_of(options);
    (*out)->ranks.comm = options->comm ? options->comm : rk__comm_self();
    return RK_OK;
}

static void release_store(rk_device_context *c)
{
    for (int32_t i = 0; c->stored && i < c->store->n; i++) {
        rk__free(c->stored[i].owned);
    }
    rk__free(c->stored);
    c->stored = NULL;
    c->store = NULL;
}

static void close_cpu(rk_device_context *c)
{
    if (c) {
        while (c->loaded) {
            rk__cpu_unload(c, c->loaded);
        }
        release_store(c);
        rk__free(c);
    }
}

/* "model name" of the first processor; other systems and architectures call it "cpu". */
static void model_name(char *out, size_t size)
{
    snprintf(out, size, "CPU");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) {
        return;
    }
    char line[256];
    while (fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(out, size, "%.90s", colon + 2);
            break;
        }
    }
    fclose(file);
}

static rk_status info(rk_device_context *c, rk_device_info *out)
{
    char model[96];
    model_name(model, sizeof model);
    *out = (rk_device_info){0};
    snprintf(out->name, sizeof out->name, "%s, %d thread%s, %s", model, c->threads,
             c->threads == 1 ? "" : "s", c->isa->name);
    int64_t page = sysconf(_SC_PAGESIZE);
    out->memory_total = page * sysconf(_SC_PHYS_PAGES);
    out->memory_free = rk__memory_available_here();
    return RK_OK;
}

static rk_status bind_one(const rk_device_context *c, const rk_stored *item, rk_cpu_buffer *out)
{
    if (item->constant) {
        memcpy(&out->data, &item->constant, sizeof out->data); /* lent, and never written to */
        return RK_OK;
    }
    int64_t bytes = rk__stored_bytes(item);
    int64_t guard = c->eager ? RK_GUARD_BYTES : 0;
    RK_TRY(rk__cpu_alloc(c, &out->owned, bytes + 2 * guard, item->name));
    char *start = out->owned;
    rk__guard_fill(start, guard);
    rk__guard_fill(start + guard + bytes, guard);
    out->data = start + guard;
    return RK_OK;
}

static rk_status bind_store(rk_device_context *c, const rk_store *store)
{
    RK_ASSERT(!c->loaded);
    release_store(c);
    RK_TRY(rk__calloc(&c->stored, store->n, sizeof *c->stored, "the table of stored tensors"));
    c->store = store;
    for (int32_t i = 0; i < store->n; i++) {
        rk_status status = bind_one(c, &store->items[i], &c->stored[i]);
        if (status != RK_OK) {
            release_store(c);
            return status;
        }
    }
    return RK_OK;
}

/* Byte range of rows of a stored tensor. */
static rk_status range_of(const rk_device_context *c, int32_t stored, int64_t first, int64_t rows,
                          size_t *out_offset, size_t *out_bytes)
{
    RK_ASSERT(c->store && stored >= 0 && stored < c->store->n);
    const rk_stored *item = &c->store->items[stored];
    if (first < 0 || rows < 0 || first > item->rows - rows) {
        RK_FAIL(RK_ERR_INTERNAL, "rows %lld to %lld of %s, which has %lld", (long long)first,
                (long long)(first + rows), item->name, (long long)item->rows);
    }
    int64_t row_bytes = item->cols * rk__dtype_size(item->dtype);
    *out_offset = (size_t)(first * row_bytes);
    *out_bytes = (size_t)(rows * row_bytes);
    return RK_OK;
}

static rk_status write_rows(rk_device_context *c, int32_t stored, int64_t first, int64_t rows,
                            const void *host)
{
    size_t offset = 0, bytes = 0;
    RK_TRY(range_of(c, stored, first, rows, &offset, &bytes));
    if (!c->stored[stored].owned) {
        RK_FAIL(RK_ERR_INTERNAL, "%s is a constant and cannot be written",
                c->store->items[stored].name);
    }
    memcpy((char *)c->stored[stored].data + offset, host, bytes);
    return RK_OK;
}

static rk_status read_rows(rk_device_context *c, int32_t stored, int64_t first, int64_t rows,
                           void *host)
{
    size_t offset = 0, bytes = 0;
    RK_TRY(range_of(c, stored, first, rows, &offset, &bytes));
    memcpy(host, (const char *)c->stored[stored].data + offset, bytes);
    return RK_OK;
}

static const void *peek(rk_device_context *c, int32_t stored)
{
    RK_ASSERT(c->store && stored >= 0 && stored < c->store->n);
    return c->stored[stored].data;
}

static rk_status read_value(rk_device_context *c, rk_loaded *loaded, rk_value value, void *host)
{
    (void)c;
    RK_ASSERT(value >= 0 && value < loaded->program->n_tensors && loaded->memory[value]);
    size_t bytes = (size_t)rk__tensor_bytes(&loaded->program->tensors[value]);
    memcpy(host, loaded->memory[value], bytes);
    return RK_OK;
}

static rk_status sync_cpu(rk_device_context *c)
{
    (void)c; /* run returns when everything is done */
    return RK_OK;
}

/* ---- submissions: done when they are made ---- */

static rk_status submit(rk_device_context *c, const rk_submission *what, int64_t *out_ticket)
{
    *out_ticket = 0;
    for (int i = 0; i < what->n_writes; i++) {
        const rk_transfer *t = &what->writes[i];
        RK_TRY(t->rows > 0 ? write_rows(c, t->stored, 0, t->rows, t->host) : RK_OK);
    }
    RK_TRY(rk__cpu_run(c, what->loaded, 1));
    for (int i = 0; i < what->n_reads; i++) {
        const rk_transfer *t = &what->reads[i];
        RK_TRY(t->rows > 0 ? read_rows(c, t->stored, 0, t->rows, t->host) : RK_OK);
    }
    return RK_OK;
}

static rk_status wait_cpu(rk_device_context *c, int64_t ticket)
{
    (void)c;
    (void)ticket;
    return RK_OK;
}

static rk_status alloc_host(rk_device_context *c, void *out_pointer, int64_t bytes,
                            const char *what)
{
    (void)c;
    return rk__alloc(out_pointer, bytes, 1, what);
}

static void free_host(rk_device_context *c, void *memory)
{
    (void)c;
    rk__free(memory);
}

static void profile(rk_device_context *c, rk_op_time times[RK_OP_COUNT])
{
    c->times = times;
}

static void watch(rk_device_context *c, const rk_watch *outer)
{
    c->watch.outer = outer;
}

const rk_device rk__device_cpu = {
    .name = "cpu",
    .lanes = 1,
    .probe = probe,
    .open = open_cpu,
    .close = close_cpu,
    .info = info,
    .needs = rk__cpu_needs,
    .bind = bind_store,
    .load = rk__cpu_load,
    .unload = rk__cpu_unload,
    .write = write_rows,
    .read = read_rows,
    .peek = peek,
    .read_value = read_value,
    .run = rk__cpu_run,
    .watch = watch,
    .sync = sync_cpu,
    .submit = submit,
    .wait = wait_cpu,
    .alloc_host = alloc_host,
    .free_host = free_host,
    .profile = profile,
    .measure = rk__cpu_measure,
};
