/* The words of the columns of ops.def, for the files that read `updates`, `halves`, `at rows` or
 * `flags`; included last, because the words are short. */
#ifndef RK_OPS_COLUMNS_H
#define RK_OPS_COLUMNS_H

#include "ops/node.h"

#define ALL_INPUTS ((1u << RK_MAX_INPUTS) - 1)
#define IN(i) (1u << (i))
#define FROM(i) (ALL_INPUTS & ~0u << (i))
#define OUT(i) (1u << (RK_MAX_INPUTS + (i)))
#define GRAPH RK_OP_IS_GRAPH
#define SIDE RK_OP_IS_SIDE
#define ADDS RK_OP_IS_ADDS
#define GATHERS RK_OP_IS_GATHERS
#define SHARES RK_OP_IS_SHARES
#define SCALES RK_OP_IS_SCALES
#define LIBRARY RK_OP_IS_LIBRARY

#endif
