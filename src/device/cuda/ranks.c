/* What ranks exchange, in the memory of their GPUs, queued on the stream. */
#include "device/cuda/context.h"

rk_status rk__cuda_sum_ranks(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const rk_tensor *t = rk__out(call, 0);
    rk_comm *comm = prepared->context->options.comm;
    return comm ? rk__comm_sum_device(comm, call->out[0], t->rows * t->cols,
                                      t->dtype == RK_F64 ? RK_COMM_F64 : RK_COMM_F32,
                                      call->stream->stream)
                : RK_OK;
}

/* The blocks of all ranks, one behind the other. */
int64_t rk_cuda_scratch_gather_columns(const rk_call *call)
{
    return rk__in(call, 0)->rows * rk__in(call, 0)->all_columns * (int64_t)sizeof(float);
}

rk_status rk__cuda_gather_columns(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const rk_tensor *x = rk__in(call, 0);
    rk_comm *comm = prepared->context->options.comm;
    const float *blocks = call->in[0];
    if (x->all_columns > x->cols) {
        RK_TRY(rk__comm_gather_device(comm, call->in[0], x->rows * x->cols, call->scratch,
                                      call->stream->stream));
        blocks = call->scratch;
    }
    RK_TRY_CUDA(rk_cuda_interleave_columns(blocks, x->rows, x->cols, x->all_columns / x->cols,
                                           call->out[0], call->stream));
    return RK_OK;
}
