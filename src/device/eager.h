/*
 * What eager mode checks, the same on every device. Operation by operation: outputs are poisoned
 * before they are written, tensors lie between guard bands, and afterwards every real number must
 * be finite and every band whole. The first operation that breaks that is named.
 */
#ifndef RK_DEVICE_EAGER_H
#define RK_DEVICE_EAGER_H

#include <stdbool.h>

#include "ops/program.h"

/* Bytes of new output: NaN as reals, -1 as integers. */
enum { RK_POISON = 0xFF };

/* A guard band; bytes is a multiple of 4. Its words are NaN as floats and far too large as indices,
 * so that a band that is read shows, too. */
void rk__guard_fill(void *band, int64_t bytes);
bool rk__guard_is_whole(const void *band, int64_t bytes);

/* The tensors that a node writes, one after the other: outputs, then inputs that are updated in
 * place. RK_NONE at the end; *place starts at 0. */
rk_value rk__next_written(const rk_node *node, int32_t *place);

/* RK_ERR_INTERNAL if a band beside the tensor was written to. */
rk_status rk__check_guards(const rk_program *program, int32_t node, rk_value value,
                           const void *before, const void *after, int64_t bytes);
/* RK_ERR_DIVERGED if a real number is not finite. data: the tensor on the host; step: the one being
 * run, from 1, or 0 if the program has no steps. */
rk_status rk__check_finite(const rk_program *program, int32_t node, rk_value value,
                           const void *data, int64_t step);

#endif
