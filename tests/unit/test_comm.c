/* dist: sums, gathers, agreement and ends of ranks; ranks that die or lose each other. */
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/choices.h"
#include "dist/internal.h"
#include "support/rank_work.h"
#include "support/ranks.h"
#include "support/support.h"

static void expect_all(int n, test_rank_work work, void *user)
{
    test_rank_end ends[TEST_RANKS_MOST] = {{0}};
    test_ranks(n, NULL, work, user, ends);
    for (int r = 0; r < n; r++) {
        if (ends[r].code != 0) {
            fail_msg("rank %d of %d ends with %d: %s", r, n, ends[r].code, ends[r].says);
        }
    }
}

/* Every rank that was not killed ends with the code, a sentence that holds the text, and soon. */
static void expect_ends(int n, const rk_comm_options *options, test_rank_work work, int code,
                        const char *text)
{
    test_rank_end ends[TEST_RANKS_MOST] = {{0}};
    test_ranks(n, options, work, NULL, ends);
    for (int r = 0; r < n; r++) {
        bool is_killed = ends[r].code == 128 + SIGKILL;
        if (!is_killed && (ends[r].code != code || !strstr(ends[r].says, text))) {
            fail_msg("rank %d of %d ends with %d, expected %d and \"%s\": %s", r, n, ends[r].code,
                     code, text, ends[r].says);
        }
        if (ends[r].seconds > 8) {
            fail_msg("rank %d of %d ends after %.1f s", r, n, ends[r].seconds);
        }
    }
}

/* ---- sums ---- */

static void sums_have_the_order_of_ranks(void **state)
{
    (void)state;
    int64_t usual = 0, several_rounds = 1100000; /* 32 MiB / 4 ranks in a message */
    for (int n = 1; n <= 5; n++) {
        expect_all(n, rank_sums, &usual);
    }
    expect_all(4, rank_sums, &several_rounds);
}

/* ---- gather, broadcast ---- */

static void blocks_and_columns_are_gathered(void **state)
{
    (void)state;
    int64_t unit = 1000, several_rounds = 2200000;
    for (int n = 1; n <= 4; n++) {
        expect_all(n, rank_gathers, &unit);
    }
    expect_all(4, rank_gathers, &several_rounds);
}

/* ---- agreement ---- */

static rk_status agree(rk_comm *comm, void *user)
{
    (void)user;
    RK_TRY(rk__comm_agree(comm, RK_ERR_CONFIG, "config", "run.seed: 1\nmodel.dim: 8\n"));
    const char *text =
        rk__comm_rank(comm) == 2 ? "run.seed: 1\nmodel.dim: 16\n" : "run.seed: 1\nmodel.dim: 8\n";
    return rk__comm_agree(comm, RK_ERR_DATA, "config", text);
}

static rk_status rank_1_fails(rk_comm *comm, void *user)
{
    (void)user;
    rk_status mine = RK_OK;
    RK_TRY(rk__comm_all_ok(comm, "reading", RK_OK));
    if (rk__comm_rank(comm) == 1) {
        mine = rk__fail(RK_ERR_IO, __FILE__, __LINE__, __func__, "last.h5: no space left");
    }
    rk_status status = rk__comm_all_ok(comm, "writing", mine);
    bool is_first = strncmp(rk_last_error(), "rank 1: ", 8) != 0;
    RANK_CHECK(status == RK_ERR_IO && is_first == (rk__comm_rank(comm) == 1));
    return status;
}

static void ranks_agree_or_say_who_does_not(void **state)
{
    (void)state;
    expect_ends(4, NULL, agree, 3,
                "rank 2 has another config than rank 0: 'model.dim: 16' there, 'model.dim: 8' on "
                "rank 0");
    expect_ends(3, NULL, rank_1_fails, 3, "last.h5: no space left");
}

/* ---- stopping ---- */

static void all_stop_at_the_same_step(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        bool with_sums = i == 1;
        expect_all(3, rank_steps_until_stop, &with_sums);
    }
}

static bool always(void *user)
{
    (void)user;
    return true;
}

/* Who waits hears the wish, and it goes round with the next sum. */
static rk_status told_while_waiting(rk_comm *comm, void *user)
{
    (void)user;
    float x = 1;
    bool stop = false;
    if (rk__comm_rank(comm) == 1) {
        usleep(60000);
    }
    RK_TRY(rk__comm_sum(comm, "x", &x, 1));
    RK_TRY(rk__comm_sum(comm, "x", &x, 1));
    RK_TRY(rk__comm_stop(comm, false, &stop));
    RANK_CHECK(stop);
    return RK_OK;
}

static void who_waits_hears_the_wish_to_stop(void **state)
{
    (void)state;
    test_rank_end ends[TEST_RANKS_MOST] = {{0}};
    rk_hooks hooks = {.should_stop = always};
    test_ranks(2, &(rk_comm_options){.hooks = &hooks}, told_while_waiting, NULL, ends);
    assert_string_equal(ends[0].says, "");
    assert_string_equal(ends[1].says, "");
}

/* ---- faults ---- */

static rk_status loop(rk_comm *comm, int64_t steps)
{
    float values[3000] = {0};
    for (int64_t i = 0; i < steps; i++) {
        RK_TRY(rk__comm_sum(comm, "scores", values, i % 3 == 0 ? 3000 : 7));
    }
    return RK_OK;
}

static rk_status rank_1_is_killed(rk_comm *comm, void *user)
{
    (void)user;
    RK_TRY(loop(comm, 20));
    if (rk__comm_rank(comm) == 1) {
        kill(getpid(), SIGKILL);
    }
    return loop(comm, 100000000);
}

static rk_status rank_0_diverges(rk_comm *comm, void *user)
{
    (void)user;
    RK_TRY(loop(comm, 20));
    if (rk__comm_rank(comm) == 0) {
        RK_FAIL(RK_ERR_DIVERGED, "the loss is not finite at step 20");
    }
    return loop(comm, 100000000);
}

/* All others hear it from rank 3, or from one that heard it: the sentence stays one. */
static rk_status everyone_hears_of_rank_3(rk_comm *comm, void *user)
{
    (void)user;
    if (rk__comm_rank(comm) == 3) {
        RK_FAIL(RK_ERR_MEMORY, "out of memory");
    }
    usleep((unsigned)(50000 * rk__comm_rank(comm)));
    rk_status status = loop(comm, 100000000);
    RANK_CHECK(strcmp(rk_last_error(), "rank 3 ended the run: out of memory") == 0);
    return status;
}

static rk_status rank_1_is_done_early(rk_comm *comm, void *user)
{
    (void)user;
    return rk__comm_rank(comm) == 1 ? RK_OK : loop(comm, 3);
}

static rk_status rank_1_never_comes(rk_comm *comm, void *user)
{
    (void)user;
    if (rk__comm_rank(comm) == 1) {
        usleep(2000000);
    }
    return loop(comm, 3);
}

static void no_rank_waits_for_one_that_is_gone(void **state)
{
    (void)state;
    rk_comm_options hasty = {.patience = 0.5};
    test_rank_end ends[TEST_RANKS_MOST] = {{0}};
    expect_ends(3, NULL, rank_1_is_killed, 7, "rank 1 (process ");
    expect_ends(3, NULL, rank_0_diverges, 5, "the loss is not finite at step 20");
    expect_ends(4, NULL, everyone_hears_of_rank_3, 4, "out of memory");
    expect_ends(2, &hasty, rank_1_never_comes, 7, "rank 0 has waited 0.5 s for the others");
    test_ranks(2, NULL, rank_1_is_done_early, NULL, ends);
    assert_int_equal(ends[0].code, 1);
    assert_non_null(strstr(ends[0].says, "rank 1 has done its part of the run, but rank 0 still"));
}

typedef enum plant { MISSING_SUM, WRONG_ORDER, WRONG_COUNT, WRONG_COUNT_OF_MANY, OTHER_CALL } plant;

static rk_status planted(rk_comm *comm, void *user)
{
    plant what = *(plant *)user;
    bool is_wrong = rk__comm_rank(comm) == 1;
    float scores[20000] = {0};
    double loss = 0;
    RK_TRY(loop(comm, 4));
    if (what == WRONG_ORDER && is_wrong) {
        RK_TRY(rk__comm_sum_double(comm, "loss", &loss, 1));
    }
    if (what == WRONG_COUNT) {
        RK_TRY(rk__comm_sum(comm, "scores", scores, is_wrong ? 11 : 12));
    } else if (what == WRONG_COUNT_OF_MANY) {
        RK_TRY(rk__comm_sum(comm, "scores", scores, is_wrong ? 20000 : 18000));
    } else if (what == OTHER_CALL && is_wrong) {
        RK_TRY(rk__comm_broadcast(comm, "scores", scores, 48, 1));
    } else if (what != MISSING_SUM || !is_wrong) {
        RK_TRY(rk__comm_sum(comm, "scores", scores, 12));
    }
    RK_TRY(rk__comm_sum_double(comm, "loss", &loss, 1));
    return loop(comm, 10);
}

static void planted_faults_are_found(void **state)
{
    (void)state;
    static const char *const says[] = {"(sum of 8 bytes, 'loss')", "(sum of 8 bytes, 'loss')",
                                       "(sum of 44 bytes, 'scores')",
                                       "(sum of 80000 bytes, 'scores')", "'scores')"};
    for (int what = MISSING_SUM; what <= OTHER_CALL; what++) {
        for (int n = 2; n <= 4; n++) {
            test_rank_end ends[TEST_RANKS_MOST] = {{0}};
            plant p = (plant)what;
            test_ranks(n, NULL, planted, &p, ends);
            for (int r = 0; r < n; r++) {
                if (ends[r].code != 1 || !strstr(ends[r].says, "the ranks have lost each other") ||
                    !strstr(ends[r].says, says[what])) {
                    fail_msg("fault %d, rank %d of %d: code %d, %s", what, r, n, ends[r].code,
                             ends[r].says);
                }
            }
        }
    }
}

/* ---- one process, and what cannot be had ---- */

static void set_launcher(const char *size)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                            "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        unsetenv(variables[i]);
    }
    if (size) {
        setenv("OMPI_COMM_WORLD_SIZE", size, 1);
    }
}

static void one_process_is_alone(void **state)
{
    (void)state;
    static const int choices[] = {RK_COMMUNICATOR_AUTO, RK_COMMUNICATOR_SELF};
    int64_t usual = 0, bytes = 5;
    char text[6] = "";
    bool stop = false;
    for (size_t i = 0; i < 2; i++) {
        rk_comm *comm = NULL;
        set_launcher(i == 0 ? NULL : "4");
        assert_ok(rk__comm_open(&(rk_comm_options){.choice = choices[i]}, &comm));
        assert_int_equal(rk__comm_size(comm), 1);
        assert_int_equal(rk__comm_rank(comm), 0);
        assert_string_equal(rk__comm_name(comm), "self");
        assert_ok(rank_sums(comm, &usual));
        assert_ok(rk__comm_gather(comm, "text", "hello", &bytes, RK_COMM_ALL, text));
        assert_string_equal(text, "hello");
        assert_ok(rk__comm_agree(comm, RK_ERR_CONFIG, "config", "a"));
        assert_int_equal(rk__comm_all_ok(comm, "work", RK_ERR_IO), RK_ERR_IO);
        assert_ok(rk__comm_stop(comm, true, &stop));
        assert_true(stop);
        assert_int_equal(rk__comm_bytes_sent(comm), 0);
        rk__comm_close(comm, RK_OK);
    }
}

static void what_cannot_be_had_is_said(void **state)
{
    (void)state;
    rk_comm *comm = NULL;
    set_launcher(NULL);
    assert_fails(RK_ERR_CONFIG, "nobody has started this process as one of several",
                 rk__comm_open(&(rk_comm_options){.choice = RK_COMMUNICATOR_MPI}, &comm));
    set_launcher("4");
    assert_fails(RK_ERR_CONFIG, "run.communicator is nccl",
                 rk__comm_open(&(rk_comm_options){.choice = RK_COMMUNICATOR_NCCL}, &comm));
    assert_fails(
        RK_ERR_CONFIG, "run.communicator is mpi",
        rk__comm_open(&(rk_comm_options){.choice = RK_COMMUNICATOR_MPI, .on_cuda = true}, &comm));
    setenv("RANKINE_MPI_MODULE", "/nowhere/rankine-mpi.so", 1);
    assert_fails(RK_ERR_CONFIG,
                 "mpirun started 4 processes together, but MPI cannot be loaded: "
                 "/nowhere/rankine-mpi.so",
                 rk__comm_open(&(rk_comm_options){.choice = RK_COMMUNICATOR_AUTO}, &comm));
    unsetenv("RANKINE_MPI_MODULE");
    set_launcher(NULL);
}

/* ---- memory ---- */

/* What rk__comm_room says is enough, and not much more. */
static rk_status fills_its_room(rk_comm *comm, void *user)
{
    static float values[1 << 20], all[TEST_RANKS_MOST << 20];
    const int64_t most = *(int64_t *)user;
    int64_t bytes[TEST_RANKS_MOST];
    for (int r = 0; r < rk__comm_size(comm); r++) {
        bytes[r] = r == 1 ? most / 2 : most;
    }
    RK_TRY(rk__comm_sum(comm, "scores", values, most / 4));
    RK_TRY(rk__comm_gather(comm, "blocks", values, bytes, RK_COMM_ALL, all));
    RK_TRY(rk__comm_gather_columns(comm, "columns", values, most / 16, 4, 0, all));
    const int64_t there = comm->out_room + comm->in_room, said = rk__comm_room(comm, most);
    if (there > said || 3 * there < said) {
        RK_FAIL(RK_ERR_INTERNAL, "%lld bytes are there, %lld were said", (long long)there,
                (long long)said);
    }
    return RK_OK;
}

static void buffers_are_foretold(void **state)
{
    (void)state;
    int64_t sizes[] = {1 << 12, 40000, 1 << 22};
    for (int n = 2; n <= 4; n++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            expect_all(n, fills_its_room, &sizes[i]);
        }
    }
    assert_int_equal(rk__comm_room(rk__comm_self(), 1000), 0);
}

/* ---- a number of rank 0 ---- */

static rk_status hears_numbers(rk_comm *comm, void *user)
{
    (void)user;
    const int rank = rk__comm_rank(comm);
    float value = 1;
    bool stop = false;
    RANK_CHECK(rk__comm_told(comm) == 0);
    for (int64_t i = 1; i < 6; i++) {
        rk__comm_tell(comm, rank == 0 ? i : 100 * rank);
        RK_TRY(i % 2 ? rk__comm_sum(comm, "scores", &value, 1) : RK_OK);
        rk__comm_tell(comm, rank == 0 ? i + 50 : 0); /* not before the next call */
        RK_TRY(rk__comm_stop(comm, false, &stop));
        RANK_CHECK(rk__comm_told(comm) == (i % 2 ? i : i + 50) && !stop);
    }
    return RK_OK;
}

static void numbers_travel_with_calls(void **state)
{
    (void)state;
    expect_all(3, hears_numbers, NULL);
}

static rk_status memory_runs_out(rk_comm *comm, void *user)
{
    int64_t n = *(int64_t *)user, total = 0;
    static float values[30000];
    int64_t bytes[2] = {40000, 40000};
    static unsigned char all[80000];
    rk__alloc_fail_after(rk__comm_rank(comm) == 1 ? n : -1);
    rk_status status = rk__comm_agree(comm, RK_ERR_CONFIG, "config", "a: 1");
    status = status == RK_OK ? rk__comm_sum(comm, "scores", values, 30000) : status;
    status =
        status == RK_OK ? rk__comm_gather(comm, "blocks", values, bytes, RK_COMM_ALL, all) : status;
    status = status == RK_OK ? rk__comm_all_ok(comm, "work", status) : status;
    total = rk__alloc_left();
    rk__alloc_fail_after(-1);
    if (rk__comm_rank(comm) == 1 && status == RK_OK && total == 0) {
        return RK_OK;
    }
    return status;
}

static void a_rank_without_memory_ends_all(void **state)
{
    (void)state;
    int failed = 0;
    for (int64_t n = 0; n < 40; n++) {
        test_rank_end ends[TEST_RANKS_MOST] = {{0}};
        test_ranks(2, NULL, memory_runs_out, &n, ends);
        if (ends[0].code == 0 && ends[1].code == 0) {
            break;
        }
        failed++;
        assert_int_equal(ends[1].code, 4);
        assert_int_equal(ends[0].code, 4);
        assert_non_null(strstr(ends[0].says, "rank 1 ended the run: "));
    }
    assert_in_range(failed, 4, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process_is_alone),
        cmocka_unit_test(what_cannot_be_had_is_said),
        cmocka_unit_test(sums_have_the_order_of_ranks),
        cmocka_unit_test(blocks_and_columns_are_gathered),
        cmocka_unit_test(ranks_agree_or_say_who_does_not),
        cmocka_unit_test(all_stop_at_the_same_step),
        cmocka_unit_test(who_waits_hears_the_wish_to_stop),
        cmocka_unit_test(no_rank_waits_for_one_that_is_gone),
        cmocka_unit_test(planted_faults_are_found),
        cmocka_unit_test(a_rank_without_memory_ends_all),
        cmocka_unit_test(buffers_are_foretold),
        cmocka_unit_test(numbers_travel_with_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
