/*
 * Checked allocation, the only caller of malloc. Every size product is checked for overflow, every
 * failure is an RK_ERR_MEMORY that says how many bytes were wanted and for what, and a test can
 * make the n-th allocation fail (rk__alloc_fail_after).
 */
#ifndef RK_BASE_ALLOC_H
#define RK_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* count * size bytes, 64-byte aligned, contents undefined. count 0 gives a valid pointer.
 * `what` names the purpose in the error message. Free with rk__free. */
rk_status rk__alloc(void *out_pointer, int64_t count, size_t size, const char *what);

/* The same, zeroed. */
rk_status rk__calloc(void *out_pointer, int64_t count, size_t size, const char *what);

/* Grows (or shrinks) *pointer, keeping the first min(old_count, count) elements. On failure the
 * old block stays as it was. */
rk_status rk__realloc(void *inout_pointer, int64_t old_count, int64_t count, size_t size,
                      const char *what);

/* A copy of text[0, length) with a final zero byte. */
rk_status rk__strndup(char **out, const char *text, size_t length);
rk_status rk__strdup(char **out, const char *text);

/* printf into a fresh string. */
rk_status rk__format(char **out, const char *format, ...) RK_PRINTF(2, 3);

/* NULL is fine. */
void rk__free(void *pointer);

/* For tests: this thread's n-th allocation from now on fails, and all after it; negative = off. */
void rk__alloc_fail_after(int64_t n);

/* What is left of that n, for a thread that this one starts. */
int64_t rk__alloc_left(void);

/*
 * A bound on what is allocated while it is bound to a thread: what does not fit is RK_ERR_MEMORY
 * with a sentence that names the bound. A thread that is started meanwhile has none until it binds
 * the one of who started it (rk__alloc_budget). Frees count, too, whoever allocated the block.
 */
typedef struct rk_budget {
    const char *name; /* of the option, for messages; lent */
    int64_t limit;    /* bytes */
    _Atomic int64_t used;
} rk_budget;

/* Binds it to this thread, NULL = none; returns the one before. */
rk_budget *rk__alloc_bind(rk_budget *budget);

/* The one that is bound to this thread; NULL = none. */
rk_budget *rk__alloc_budget(void);

/* a * b for a, b >= 0; fails if the product exceeds INT64_MAX. */
rk_status rk__mul(int64_t *out, int64_t a, int64_t b, const char *what);

#endif
