/*
 * Large arrays that lie in memory while they fit, and else in files that are mapped.
 *
 * Whoever works on such an array sees a pointer, so that there is one way through the data whether
 * it fits or not. A file has no name once it is open: whatever ends the process, nothing is left
 * behind. Its blocks are reserved when the array is made, so that a full disk is an error there and
 * no crash in the middle of a loop.
 *
 * Mapped pages are the kernel's to write out and to drop, but those that the process has touched
 * count as its own until it gives them back. So loops say how far they have come (rk__spill_touch),
 * and every few megabytes all pages are given back; what is needed again comes out of the kernel's
 * cache, or from the disk.
 *
 * Threads: every call may be made from any thread; an array is grown or freed when nobody uses it.
 */
#ifndef RK_IO_SPILL_H
#define RK_IO_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_spill rk_spill;

enum {
    RK_SPILL_SHARE_OF_ARRAYS = 4, /* of its memory, before arrays move to files */
    RK_SPILL_SHARE_OF_PAGES = 8,  /* of mapped files */
};

/* folder: for the files, made when the first is needed; copied. memory: bytes. NULL stands for one
 * without bounds in all calls. Release with rk__spill_release when its arrays are freed;
 * rk__spill_share makes one more owner. */
rk_status rk__spill_create(rk_spill **out, const char *folder, int64_t memory);
rk_spill *rk__spill_share(rk_spill *spill);
void rk__spill_release(rk_spill *spill); /* NULL is fine */

/* Says that about so many bytes of arrays will be there at once: if they do not fit, those that are
 * made or grown from now on lie in files. An array that is made says so of itself. */
void rk__spill_expect(rk_spill *spill, int64_t bytes);

/* Its memory, in bytes; INT64_MAX without bounds. */
int64_t rk__spill_memory(const rk_spill *spill);

/* Whether arrays lie in files by now. */
bool rk__spill_is_on_disk(const rk_spill *spill);

/* As rk__alloc, rk__calloc and rk__realloc, aligned to 32 bytes; RK_ERR_IO where the disk is full.
 * Free with rk__spill_free, which takes blocks of rk__alloc as well. */
rk_status rk__spill_alloc(rk_spill *spill, void *out_pointer, int64_t count, size_t size,
                          const char *what);
rk_status rk__spill_calloc(rk_spill *spill, void *out_pointer, int64_t count, size_t size,
                           const char *what);
rk_status rk__spill_realloc(rk_spill *spill, void *inout_pointer, int64_t old_count, int64_t count,
                            size_t size, const char *what);
void rk__spill_free(void *pointer);

/* So many bytes of arrays were read or written, or soon will be. */
void rk__spill_touch(rk_spill *spill, int64_t bytes);

/* The end of the next piece of n elements, from `from` on, of so many bytes each, which counts as
 * touched:  for (int64_t i = 0, to; i < n; i = to) { to = rk__spill_piece(spill, i, n, 4); ... } */
int64_t rk__spill_piece(rk_spill *spill, int64_t from, int64_t n, int64_t bytes);

/* The bytes [from, to) of an array are not needed any more: their part of the disk is given back;
 * they read as zeros, or as before. */
void rk__spill_discard(void *pointer, int64_t from, int64_t to);

#endif
