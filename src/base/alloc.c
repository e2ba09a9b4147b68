#include "base/alloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/parse.h"

enum { ALIGNMENT = 64, LARGE = 1 << 28 /* bytes; from here on the free memory is checked */ };

static _Thread_local int64_t allocations_left = -1;
static _Thread_local rk_budget *budget;

void rk__alloc_fail_after(int64_t n)
{
    allocations_left = n;
}

int64_t rk__alloc_left(void)
{
    return allocations_left;
}

/* Bytes rounded up to the alignment, as aligned_alloc wants; 0 when the product overflows. */
static size_t rounded_bytes(int64_t count, size_t size)
{
    if (count < 0 || (size != 0 && (uint64_t)count > (SIZE_MAX - ALIGNMENT) / size)) {
        return 0;
    }
    size_t bytes = (size_t)count * size;
    return bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Linux promises more memory than there is, then kills the process that uses it. */
static rk_status check_large(size_t bytes, const char *what)
{
    int64_t available = bytes < LARGE ? 0 : rk__memory_available_here();
    if (available > 0 && bytes > (size_t)available) {
        RK_FAIL(RK_ERR_MEMORY, "out of memory: %.1f MB wanted for %s, %.1f MB are available",
                (double)bytes / 1e6, what, (double)available / 1e6);
    }
    return RK_OK;
}

rk_budget *rk__alloc_bind(rk_budget *fresh)
{
    rk_budget *before = budget;
    budget = fresh;
    return before;
}

rk_budget *rk__alloc_budget(void)
{
    return budget;
}

/* Blocks are counted as large as they are: what was asked for is not known when they are freed. */
static rk_status charge(size_t bytes, const char *what)
{
    if (!budget) {
        return RK_OK;
    }
    const int64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    if (used + (int64_t)bytes > budget->limit) {
        char limit[32], held[32], wanted[32];
        rk__print_size(limit, budget->limit);
        rk__print_size(held, used > 0 ? used : 0);
        rk__print_size(wanted, (int64_t)bytes);
        RK_FAIL(RK_ERR_MEMORY,
                "%s leaves %s for what must be in memory, of which %s are used: %s for %s do not "
                "fit; raise %s",
                budget->name, limit, held, wanted, what, budget->name);
    }
    return RK_OK;
}

rk_status rk__alloc(void *out_pointer, int64_t count, size_t size, const char *what)
{
    void *pointer = NULL;
    size_t bytes = rounded_bytes(count, size);
    if (bytes == 0) {
        RK_FAIL(RK_ERR_MEMORY, "the size of %s overflows: %lld elements of %zu bytes", what,
                (long long)count, size);
    }
    RK_TRY(charge(bytes, what));
    RK_TRY(check_large(bytes, what));
    if (allocations_left != 0) {
        allocations_left -= allocations_left > 0;
        pointer = aligned_alloc(ALIGNMENT, bytes);
    }
    if (!pointer) {
        RK_FAIL(RK_ERR_MEMORY, "out of memory: %.1f MB wanted for %s", (double)bytes / 1e6, what);
    }
    if (budget) {
        atomic_fetch_add_explicit(&budget->used, (int64_t)malloc_usable_size(pointer),
                                  memory_order_relaxed);
    }
    memcpy(out_pointer, &pointer, sizeof pointer);
    return RK_OK;
}

rk_status rk__calloc(void *out_pointer, int64_t count, size_t size, const char *what)
{
    RK_TRY(rk__alloc(out_pointer, count, size, what));
    void *pointer = NULL;
    memcpy(&pointer, out_pointer, sizeof pointer);
    memset(pointer, 0, (size_t)count * size);
    return RK_OK;
}

rk_status rk__realloc(void *inout_pointer, int64_t old_count, int64_t count, size_t size,
                      const char *what)
{
    void *old = NULL, *fresh = NULL;
    memcpy(&old, inout_pointer, sizeof old);
    RK_TRY(rk__alloc(&fresh, count, size, what));
    int64_t kept = old_count < count ? old_count : count;
    if (old && kept > 0) {
        memcpy(fresh, old, (size_t)kept * size);
    }
    rk__free(old);
    memcpy(inout_pointer, &fresh, sizeof fresh);
    return RK_OK;
}

rk_status rk__strndup(char **out, const char *text, size_t length)
{
    RK_TRY(rk__alloc(out, (int64_t)length + 1, 1, "a string"));
    memcpy(*out, text, length);
    (*out)[length] = '\0';
    return RK_OK;
}

rk_status rk__strdup(char **out, const char *text)
{
    return rk__strndup(out, text, strlen(text));
}

rk_status rk__format(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    RK_ASSERT(length >= 0);
    RK_TRY(rk__alloc(out, (int64_t)length + 1, 1, "a string"));
    va_start(arguments, format);
    vsnprintf(*out, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return RK_OK;
}

void rk__free(void *pointer)
{
    if (budget && pointer) {
        atomic_fetch_sub_explicit(&budget->used, (int64_t)malloc_usable_size(pointer),
                                  memory_order_relaxed);
    }
    free(pointer);
}

rk_status rk__mul(int64_t *out, int64_t a, int64_t b, const char *what)
{
    if (__builtin_mul_overflow(a, b, out)) {
        RK_FAIL(RK_ERR_MEMORY, "the size of %s overflows: %lld x %lld", what, (long long)a,
                (long long)b);
    }
    return RK_OK;
}
