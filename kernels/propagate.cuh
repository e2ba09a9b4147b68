/* Propagation over a graph, for the families that are made of it: propagate, gram. */
#ifndef RK_KERNELS_PROPAGATE_CUH
#define RK_KERNELS_PROPAGATE_CUH

#include "adam.cuh"
#include "tables.cuh"

namespace rk
{

/* What becomes of the rows: weight[k] * added[k][map[r]] is added where map[r] >= 0, then the row
 * is stored as floats [N,d] or halves [N,d] with exponents, or is the gradient of an Adam step.
 * One of the three is there; with Adam, halves are those of the new parameter. */
struct row_end {
    const int32_t *map; /* int32[N] */
    const float *added[RK_MAX_INPUTS - RK_PROPAGATE_ADDED];
    float weight[RK_MAX_INPUTS - RK_PROPAGATE_ADDED];
    int32_t n_added;
    float *floats;
    rk_half *halves;
    uint8_t *exponent;
    adam_target adam;
};

/* alpha * scale[row] * sum over edges of scale[column] * x[column]. */
struct propagation {
    rk_split_rows split;
    const int32_t *columns;
    const float *scale;
    gathered x;
    row_end end;
    const int32_t *map;   /* of propagate_rows, propagate_from_rows: int32[n_nodes] */
    const int32_t *count; /* of propagate_rows: how many of its n_rows rows there are */
    tables whole;         /* of propagate_rows: their weighted sum at the rows comes first */
    int64_t n_rows;
    int64_t n_nodes;
    int64_t d;
    float alpha;
    void *scratch; /* as rk_cuda_scratch_propagate says */
    rk_stream *stream;
};

/* From inputs 0 to 3 of a call; without map and end. */
propagation propagation_of(const rk_call *call);

/* All rows of the split. */
cudaError_t propagate(const propagation &p);
/* Only rows with map[row] >= 0, to row map[row] of end.floats; rows from *count on become zero. */
cudaError_t propagate_rows(const propagation &p);
/* Only columns with map[column] >= 0, from row map[column] of x, which is floats. */
cudaError_t propagate_from_rows(const propagation &p);

} // namespace rk

#endif
