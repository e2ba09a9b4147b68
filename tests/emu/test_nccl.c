/*
 * Sums of device memory over ranks: processes that each have an emulated GPU and meet in the
 * stand-in for NCCL. Order of addition, streams, replayed graphs, bytes; ranks that die, forget a
 * sum or make it at another place.
 */
#include <cuda_runtime_api.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/timer.h"
#include "emu_control.h"
#include "support/ranks.h"
#include "support/support.h"

enum { COUNT = 1000, CUDA_RANKS = 3 };

typedef struct gpu {
    cudaStream_t stream;
    float *values, *all;
    double *doubles;
} gpu;

#define TRY_CUDA(call_) RANK_CHECK((call_) == cudaSuccess)

static bool is_ready(void *user)
{
    return cudaStreamQuery(((gpu *)user)->stream) != cudaErrorNotReady;
}

static rk_status open_gpu(rk_comm *comm, gpu *g)
{
    char id[16];
    int count = 0;
    emu_set_devices(rk__comm_size(comm));
    TRY_CUDA(cudaGetDeviceCount(&count));
    int64_t index = rk__comm_device_index(comm, count);
    RANK_CHECK(index == rk__comm_local_rank(comm) && index == rk__comm_rank(comm));
    TRY_CUDA(cudaSetDevice((int)index));
    TRY_CUDA(cudaStreamCreateWithFlags(&g->stream, cudaStreamNonBlocking));
    TRY_CUDA(cudaMalloc((void **)&g->values, COUNT * sizeof *g->values));
    TRY_CUDA(cudaMalloc((void **)&g->doubles, COUNT * sizeof *g->doubles));
    TRY_CUDA(cudaMalloc((void **)&g->all, COUNT * sizeof *g->all * TEST_RANKS_MOST));
    snprintf(id, sizeof id, "gpu %d", (int)index);
    return rk__comm_use_device(comm, id, count);
}

static float number_of(int rank, int64_t i)
{
    return (float)(i % 7 - 3) * (rank == 1 ? 1e6f : rank == 2 ? 1e-3f : 1.25f);
}

static rk_status fill(rk_comm *comm, gpu *g)
{
    float values[COUNT];
    double doubles[COUNT];
    for (int64_t i = 0; i < COUNT; i++) {
        values[i] = number_of(rk__comm_rank(comm), i);
        doubles[i] = number_of(rk__comm_rank(comm), i) / 3.0;
    }
    TRY_CUDA(cudaMemcpyAsync(g->values, values, sizeof values, cudaMemcpyHostToDevice, g->stream));
    TRY_CUDA(
        cudaMemcpyAsync(g->doubles, doubles, sizeof doubles, cudaMemcpyHostToDevice, g->stream));
    TRY_CUDA(cudaStreamSynchronize(g->stream));
    return RK_OK;
}

/* What `times` sums in place make of the first numbers: all ranks have the same after the first. */
static rk_status compare(rk_comm *comm, gpu *g, int times)
{
    float values[COUNT];
    double doubles[COUNT];
    int size = rk__comm_size(comm);
    TRY_CUDA(cudaMemcpyAsync(values, g->values, sizeof values, cudaMemcpyDeviceToHost, g->stream));
    TRY_CUDA(
        cudaMemcpyAsync(doubles, g->doubles, sizeof doubles, cudaMemcpyDeviceToHost, g->stream));
    TRY_CUDA(cudaStreamSynchronize(g->stream));
    for (int64_t i = 0; i < COUNT; i++) {
        float sum = number_of(0, i);
        double sum_of_doubles = number_of(0, i) / 3.0;
        for (int r = 1; r < size; r++) {
            sum += number_of(r, i);
            sum_of_doubles += number_of(r, i) / 3.0;
        }
        for (int t = 1; t < times; t++) {
            float x = sum;
            double y = sum_of_doubles;
            for (int r = 1; r < size; r++) {
                sum += x;
                sum_of_doubles += y;
            }
        }
        RANK_CHECK(memcmp(&sum, &values[i], sizeof sum) == 0);
        RANK_CHECK(memcmp(&sum_of_doubles, &doubles[i], sizeof sum_of_doubles) == 0);
    }
    return RK_OK;
}

static rk_status sum_both(rk_comm *comm, gpu *g)
{
    RK_TRY(rk__comm_sum_device(comm, g->values, COUNT, RK_COMM_F32, g->stream));
    return rk__comm_sum_device(comm, g->doubles, COUNT, RK_COMM_F64, g->stream);
}

static rk_status sums(rk_comm *comm, void *user)
{
    gpu g;
    float all[COUNT * TEST_RANKS_MOST];
    int64_t size = rk__comm_size(comm), before = 0;
    (void)user;
    RK_TRY(open_gpu(comm, &g));
    RK_TRY(fill(comm, &g));
    RK_TRY(rk__comm_gather_device(comm, g.values, COUNT, g.all, g.stream));
    before = rk__comm_bytes_sent(comm);
    RK_TRY(sum_both(comm, &g));
    RANK_CHECK(llabs(rk__comm_bytes_sent(comm) - before -
                     2 * (size - 1) * COUNT * (int64_t)(sizeof(float) + sizeof(double)) / size) <
               16 * size);
    RK_TRY(rk__comm_wait_device(comm, "sums", is_ready, &g));
    RK_TRY(compare(comm, &g, 1));
    TRY_CUDA(cudaMemcpyAsync(all, g.all, sizeof *all * (size_t)(COUNT * size),
                             cudaMemcpyDeviceToHost, g.stream));
    TRY_CUDA(cudaStreamSynchronize(g.stream));
    for (int64_t i = 0; i < COUNT * size; i++) {
        RANK_CHECK(all[i] == number_of((int)(i / COUNT), i % COUNT));
    }
    return RK_OK;
}

static rk_status replays(rk_comm *comm, void *user)
{
    gpu g;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    (void)user;
    RK_TRY(open_gpu(comm, &g));
    RK_TRY(fill(comm, &g));
    TRY_CUDA(cudaStreamBeginCapture(g.stream, cudaStreamCaptureModeThreadLocal));
    RK_TRY(sum_both(comm, &g));
    TRY_CUDA(cudaStreamEndCapture(g.stream, &graph));
    TRY_CUDA(cudaGraphInstantiate(&executable, graph, 0));
    for (int i = 0; i < 3; i++) {
        TRY_CUDA(cudaGraphLaunch(executable, g.stream));
    }
    RK_TRY(rk__comm_wait_device(comm, "replays", is_ready, &g));
    RK_TRY(compare(comm, &g, 3));
    TRY_CUDA(cudaGraphExecDestroy(executable));
    TRY_CUDA(cudaGraphDestroy(graph));
    return RK_OK;
}

static void expect_all(int n, test_rank_work work, const char *text, int code)
{
    test_rank_end ends[TEST_RANKS_MOST] = {{0}};
    test_ranks(n, &(rk_comm_options){.on_cuda = true, .patience = 30}, work, NULL, ends);
    for (int r = 0; r < n; r++) {
        bool is_killed = ends[r].code == 128 + SIGKILL;
        if (!is_killed && (ends[r].code != code || !strstr(ends[r].says, text))) {
            fail_msg("rank %d of %d ends with %d: %s", r, n, ends[r].code, ends[r].says);
        }
        assert_true(ends[r].seconds < 20);
    }
}

static void sums_and_graphs_of_sums(void **state)
{
    (void)state;
    for (int n = 1; n <= CUDA_RANKS; n++) {
        expect_all(n, n > 1 ? sums : replays, "", 0);
        expect_all(n, replays, "", 0);
    }
}

/* ---- faults ---- */

static rk_status rank_1_dies(rk_comm *comm, void *user)
{
    gpu g;
    (void)user;
    RK_TRY(open_gpu(comm, &g));
    RK_TRY(fill(comm, &g));
    for (int i = 0; i < 5; i++) {
        RK_TRY(sum_both(comm, &g));
        if (i == 3 && rk__comm_rank(comm) == 1) {
            kill(getpid(), SIGKILL);
        }
        RK_TRY(rk__comm_wait_device(comm, "scores", is_ready, &g));
    }
    return RK_OK;
}

static rk_status rank_1_dies_of_graphs(rk_comm *comm, void *user)
{
    gpu g;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    (void)user;
    RK_TRY(open_gpu(comm, &g));
    RK_TRY(fill(comm, &g));
    TRY_CUDA(cudaStreamBeginCapture(g.stream, cudaStreamCaptureModeThreadLocal));
    RK_TRY(sum_both(comm, &g));
    TRY_CUDA(cudaStreamEndCapture(g.stream, &graph));
    TRY_CUDA(cudaGraphInstantiate(&executable, graph, 0));
    for (int i = 0; i < 5; i++) {
        if (i == 3 && rk__comm_rank(comm) == 1) {
            kill(getpid(), SIGKILL);
        }
        TRY_CUDA(cudaGraphLaunch(executable, g.stream));
        RK_TRY(rk__comm_wait_device(comm, "scores", is_ready, &g));
    }
    return RK_OK;
}

static rk_status nccl_fails(rk_comm *comm, void *user)
{
    gpu g;
    (void)user;
    setenv("EMU_NCCL_FAULT", "async:4", 1);
    RK_TRY(open_gpu(comm, &g));
    RK_TRY(fill(comm, &g));
    for (int i = 0; i < 5; i++) {
        RK_TRY(sum_both(comm, &g));
        RK_TRY(rk__comm_wait_device(comm, "scores", is_ready, &g));
    }
    return RK_OK;
}

static rk_status few_gpus(rk_comm *comm, void *user)
{
    (void)user;
    char id[16];
    setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
    snprintf(id, sizeof id, "gpu %d", (int)rk__comm_device_index(comm, 2));
    return rk__comm_use_device(comm, id, 2);
}

static rk_status no_nccl(rk_comm *comm, void *user)
{
    (void)user;
    char id[16];
    setenv("RANKINE_NCCL", "/nowhere/libnccl.so.2", 1);
    snprintf(id, sizeof id, "gpu %d", rk__comm_rank(comm));
    return rk__comm_use_device(comm, id, 3);
}

static void faults_end_all_ranks(void **state)
{
    (void)state;
    expect_all(CUDA_RANKS, rank_1_dies, "rank 1 (process ", 7);
    expect_all(CUDA_RANKS, nccl_fails, "remote process exited", 6);
    expect_all(CUDA_RANKS, few_gpus, "ranks 0 and 2 would share GPU gpu 0 of ", 2);
    expect_all(CUDA_RANKS, no_nccl, "NCCL cannot be loaded: /nowhere/libnccl.so.2", 6);
}

static void a_death_during_a_replay_is_noticed(void **state)
{
    (void)state;
    test_rank_end ends[TEST_RANKS_MOST] = {{0}};
    test_ranks(2, &(rk_comm_options){.on_cuda = true, .patience = 30}, rank_1_dies_of_graphs, NULL,
               ends);
    /* by NCCL, or by who looks after the others: a sentence in any case */
    assert_true(ends[0].code == 6 || ends[0].code == 7);
    assert_string_not_equal(ends[0].says, "");
    assert_true(ends[0].seconds < 20);
}

/* ---- planted faults, which the stand-in finds ---- */

typedef enum plant { MISSING_SUM, MISSING_LAST_SUM, WRONG_ORDER, WRONG_COUNT, OTHER_TYPE } plant;

static rk_status planted(rk_comm *comm, void *user)
{
    gpu g;
    plant what = *(plant *)user;
    bool is_wrong = rk__comm_rank(comm) == 1;
    setenv("EMU_NCCL_SECONDS", "1", 1);
    RK_TRY(open_gpu(comm, &g));
    RK_TRY(fill(comm, &g));
    RK_TRY(sum_both(comm, &g));
    if (what == WRONG_ORDER && is_wrong) {
        RK_TRY(rk__comm_sum_device(comm, g.doubles, 1, RK_COMM_F64, g.stream));
    }
    if (what != MISSING_SUM || !is_wrong) {
        RK_TRY(rk__comm_sum_device(comm, g.values, what == WRONG_COUNT && is_wrong ? 99 : 100,
                                   RK_COMM_F32, g.stream));
    }
    if (what == OTHER_TYPE && is_wrong) {
        RK_TRY(rk__comm_sum_device(comm, g.values, 1, RK_COMM_F32, g.stream));
    } else if ((what != MISSING_LAST_SUM && what != WRONG_ORDER) || !is_wrong) {
        RK_TRY(rk__comm_sum_device(comm, g.doubles, 1, RK_COMM_F64, g.stream));
    }
    RK_TRY(rk__comm_wait_device(comm, "scores", is_ready, &g));
    if (what == MISSING_LAST_SUM && is_wrong) {
        usleep(3000000);
    }
    return RK_OK;
}

/* The rank that finds it prints an EMU ERROR and aborts; no rank goes on as if nothing was. */
static void planted_faults_are_found(void **state)
{
    (void)state;
    for (int what = MISSING_SUM; what <= OTHER_TYPE; what++) {
        test_rank_end ends[TEST_RANKS_MOST] = {{0}};
        plant p = (plant)what;
        test_ranks(2, &(rk_comm_options){.on_cuda = true, .patience = 30}, planted, &p, ends);
        if (ends[0].code == 0) {
            fail_msg("planted fault %d: rank 0 ends as if nothing was", what);
        }
        if (what != MISSING_LAST_SUM) {
            assert_int_not_equal(ends[1].code, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_graphs_of_sums),
        cmocka_unit_test(faults_end_all_ranks),
        cmocka_unit_test(a_death_during_a_replay_is_noticed),
        cmocka_unit_test(planted_faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
