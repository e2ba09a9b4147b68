/*
 * What every device that executes a planned program does in the same way: where tensors lie, what a
 * call is given, what eager mode poisons.
 */
#ifndef RK_DEVICE_EXECUTOR_H
#define RK_DEVICE_EXECUTOR_H

#include "ops/call.h"
#include "ops/program.h"

/* Is it a temporary with memory of its own: stored nowhere, no alias, and written by some node? */
bool rk__executor_is_root(const rk_tensor *t);

/* Completes memory[n_tensors], which has the addresses of stored tensors and of temporaries that
 * the device gave memory of their own: NULL becomes a place in the arena, an alias takes over that
 * of its tensor. What no node writes stays NULL. */
void rk__executor_place(const rk_program *program, char *arena, void **memory);

/* Program, node, inputs and outputs of a call; memory NULL: no addresses, as for a scratch
 * function. */
void rk__executor_resolve(rk_call *call, const rk_program *program, const rk_node *node,
                          void *const *memory);

/* The outputs of a node that are new memory, one after the other: eager mode poisons them before
 * the node is run. RK_NONE at the end; *place starts at 0. */
rk_value rk__executor_next_new(const rk_program *program, const rk_node *node, int32_t *place);

#endif
