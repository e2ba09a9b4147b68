/*
 * The inputs of edge_attend and of its gradient, for the three files of the family: its rules, the
 * CPU's and the kernels. Nobody else includes this, so the names are short.
 *
 * The map says where each row of the block is among those of a row set, where only such are
 * computed; behind it the result has the set's rows and their number, the gradient what it is of.
 */
#ifndef RK_OPS_EDGE_ATTEND_INPUTS_H
#define RK_OPS_EDGE_ATTEND_INPUTS_H

enum {
    OFFSETS,
    COLUMNS,
    BACK_OFFSETS,
    BACK_COLUMNS,
    BACK_EDGES,
    OF_ROWS,
    OF_COLUMNS,
    X,
    STATE,
    WEIGHTS,
    MAP,
    ROWS,
    COUNT,
    INPUTS,
    Y = ROWS,
    LSE,
    G,
    GRADIENT_INPUTS,
};

#endif
