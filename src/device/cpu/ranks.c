/* What ranks exchange, in host memory. An exchange may fail, which the run then ends with. */
#include "device/cpu/cpu.h"

void rk__cpu_sum_ranks(const rk_call *call)
{
    const rk_tensor *t = rk__out(call, 0);
    rk_cpu_ranks *ranks = call->ranks;
    ranks->status =
        t->dtype == RK_F64
            ? rk__comm_sum_double(ranks->comm, "a sum of a step", call->out[0], rk__cpu_elements(t))
            : rk__comm_sum(ranks->comm, "a sum of a step", call->out[0], rk__cpu_elements(t));
}

void rk__cpu_gather_columns(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    call->ranks->status =
        rk__comm_gather_columns(call->ranks->comm, "the columns of a table", call->in[0], x->rows,
                                x->cols, RK_COMM_ALL, call->out[0]);
}
