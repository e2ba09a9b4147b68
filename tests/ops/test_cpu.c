/*
 * The CPU device itself: choosing it, its tensors, eager checks, profile, memory failures.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/choices.h"
#include "device/cpu/cpu.h"
#include "device/device.h"
#include "ops/builder.h"
#include "support/support.h"

static const rk_device *const device = &rk__device_cpu;

/* One table, doubled into a result, then updated by SGD with the result as gradient. */
typedef struct fixture {
    rk_store store;
    rk_program program;
    int32_t state, table, constant, result;
    rk_value twice, thrice;
} fixture;

enum { ROWS = 9, COLS = 5 };

static const float constant_data[ROWS * COLS] = {1, 2, 3};

static void make_fixture(fixture *f)
{
    *f = (fixture){0};
    rk_store *s = &f->store;
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(s, "table", RK_F32, ROWS, COLS, NULL, &f->table));
    assert_ok(rk__store_add(s, "constant", RK_F32, ROWS, COLS, constant_data, &f->constant));
    assert_ok(rk__store_add(s, "result", RK_F32, ROWS, COLS, NULL, &f->result));
    rk_program *p = &f->program;
    rk__program_init(p, s, "small");
    rk_value table = rk__use(p, f->table);
    f->twice = rk__add(p, table, table, 1, 1);
    f->thrice = rk__add(p, f->twice, table, 1, 1);
    rk__assign(p, f->result, rk__add(p, f->thrice, rk__use(p, f->constant), 1, 1));
    rk__sgd(p, table, rk__use(p, f->constant), rk__use(p, f->state), 0);
    rk__step_advance(p, rk__use(p, f->state));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static void free_fixture(fixture *f)
{
    rk__program_free(&f->program);
    rk__store_free(&f->store);
}

static void choosing_says_which_and_why(void **unused)
{
    (void)unused;
    const rk_device *chosen = NULL;
    const char *reason = NULL;
    assert_ok(rk__device_choose(RK_DEVICE_CPU, 0, &chosen, &reason));
    assert_string_equal(chosen->name, "cpu");
    assert_ok(rk__device_choose(RK_DEVICE_AUTO, 0, &chosen, &reason));
    assert_non_null(reason);
    bool has_cuda = false;
    for (const rk_device *const *d = rk__devices(); *d; d++) {
        has_cuda = has_cuda || strcmp((*d)->name, "cuda") == 0;
    }
    if (!has_cuda) {
        assert_string_equal(chosen->name, "cpu");
        assert_string_equal(reason, "this build has no CUDA device");
        assert_fails(RK_ERR_DEVICE, "this build has no cuda device",
                     rk__device_choose(RK_DEVICE_CUDA, 0, &chosen, &reason));
    }
}

static void information_names_the_instruction_set(void **unused)
{
    (void)unused;
    rk_device_context *context = NULL;
    rk_device_info info;
    rk_device_options options = {.threads = 2};
    assert_ok(device->open(&options, &context));
    assert_ok(device->info(context, &info));
    assert_non_null(strstr(info.name, ", 2 threads, "));
    const rk_isa *best = NULL;
    for (const rk_isa *const *isa = rk__isa_all(); *isa && !best; isa++) {
        best = rk__isa_is_supported(*isa) ? *isa : NULL;
    }
    assert_non_null(strstr(info.name, best->name));
    assert_true(info.memory_total > 0 && info.memory_free <= info.memory_total);
    device->close(context);
    options.isa = "abacus";
    assert_fails(RK_ERR_DEVICE, "no abacus", device->open(&options, &context));
    device->close(NULL);
}

/* In every instruction set the rows that are read are the rows that were asked for. */
static void gathered_rows_are_summed(void **unused)
{
    (void)unused;
    enum { N = 40, D = 112, PICKED = 37 };
    static float table[N * D];
    int32_t rows[PICKED];
    for (int i = 0; i < N * D; i++) {
        table[i] = (float)(i % 1013);
    }
    for (int i = 0; i < PICKED; i++) {
        rows[i] = (i * 29) % N;
    }
    for (const rk_isa *const *isa = rk__isa_all(); *isa; isa++) {
        float sum[D];
        if (!rk__isa_is_supported(*isa)) {
            continue;
        }
        (*isa)->gather(table, D, rows, PICKED, sum);
        for (int j = 0; j < D; j++) {
            float expected = 0; /* whole numbers: exact in any order */
            for (int i = 0; i < PICKED; i++) {
                expected += table[rows[i] * D + j];
            }
            assert_true(sum[j] == expected);
        }
    }
}

static void ceilings_are_measured(void **unused)
{
    (void)unused;
    rk_device_context *context = NULL;
    rk_device_options options = {.threads = 2};
    rk_device_probe what = {.rows = 1000, .row_bytes = 128, .copy_bytes = 3 << 20};
    rk_device_ceilings c = {0};
    assert_ok(device->open(&options, &context));
    assert_ok(device->measure(context, &what, &c));
    /* Slower than a floppy disk or faster than light would be a mistake of units. */
    assert_true(c.gather > 1e6 && c.gather < 1e14);
    assert_true(c.copy > 1e6 && c.copy < 1e14);
    assert_true(c.flops > 1e6 && c.flops < 1e16);
    assert_true(c.launch > 1e-9 && c.launch < 1);
    for (int64_t n = 0; n < 5; n++) {
        rk__alloc_fail_after(n);
        assert_fails(RK_ERR_MEMORY, "", device->measure(context, &what, &c));
        rk__alloc_fail_after(-1);
    }
    device->close(context);
}

static void tensors_are_written_read_and_lent(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    rk_device_context *context = NULL;
    rk_device_options options = {.threads = 1};
    float in[2 * COLS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, out[ROWS * COLS];
    assert_ok(device->open(&options, &context));
    assert_ok(device->bind(context, &f.store));
    assert_ptr_equal(device->peek(context, f.constant), constant_data);
    assert_ok(device->read(context, f.table, 0, ROWS, out));
    for (int i = 0; i < ROWS * COLS; i++) {
        assert_true(out[i] == 0);
    }
    assert_ok(device->write(context, f.table, 4, 2, in));
    assert_ok(device->read(context, f.table, 3, 3, out));
    assert_true(out[0] == 0 && out[COLS] == 1 && out[3 * COLS - 1] == 10);
    assert_fails(RK_ERR_INTERNAL, "rows 8 to 10 of table, which has 9",
                 device->write(context, f.table, 8, 2, in));
    assert_fails(RK_ERR_INTERNAL, "rows -1 to 1 of table",
                 device->read(context, f.table, -1, 2, out));
    assert_fails(RK_ERR_INTERNAL, "constant is a constant",
                 device->write(context, f.constant, 0, 1, in));
    device->close(context);
    free_fixture(&f);
}

static void eager_and_plain_runs_agree(void **unused)
{
    (void)unused;
    fixture f;
    float results[2][ROWS * COLS], tables[2][ROWS * COLS], middle[ROWS * COLS];
    make_fixture(&f);
    for (int eager = 0; eager < 2; eager++) {
        rk_device_context *context = NULL;
        rk_loaded *loaded = NULL;
        rk_op_time times[RK_OP_COUNT] = {0};
        rk_device_options options = {.threads = 2, .eager = eager};
        rk_step_state state = {.learning_rate = 0.5};
        float table[ROWS * COLS];
        for (int i = 0; i < ROWS * COLS; i++) {
            table[i] = (float)i;
        }
        assert_ok(device->open(&options, &context));
        assert_ok(device->bind(context, &f.store));
        assert_ok(device->write(context, f.state, 0, 1, &state));
        assert_ok(device->write(context, f.table, 0, ROWS, table));
        assert_ok(device->load(context, &f.program, &loaded));
        device->profile(context, times);
        assert_ok(device->run(context, loaded, 3));
        device->profile(context, NULL);
        assert_ok(device->sync(context));
        assert_ok(device->read(context, f.result, 0, ROWS, results[eager]));
        assert_ok(device->read(context, f.table, 0, ROWS, tables[eager]));
        assert_ok(device->read(context, f.state, 0, 1, &state));
        assert_int_equal(state.step, 3);
        assert_int_equal(times[RK_OP_COMBINE].calls, 9);
        assert_int_equal(times[RK_OP_SGD].calls, 3);
        assert_true(times[RK_OP_COMBINE].seconds >= 0);
        if (eager) {
            assert_ok(device->read_value(context, loaded, f.twice, middle));
            assert_true(middle[2 * COLS] == 2 * table[2 * COLS]);
        }
        device->unload(context, loaded);
        device->unload(context, NULL);
        device->close(context);
    }
    assert_memory_equal(results[0], results[1], sizeof results[0]);
    assert_memory_equal(tables[0], tables[1], sizeof tables[0]);
    assert_true(tables[0][0] == -1.5f); /* 0 - 3 * 0.5 * 1 */
    free_fixture(&f);
}

/* The first operation that makes a value non-finite is named, with the step and the place. */
static void eager_names_the_first_bad_operation(void **unused)
{
    (void)unused;
    static const float bad[] = {INFINITY, NAN};
    for (int i = 0; i < 2; i++) {
        fixture f;
        make_fixture(&f);
        rk_device_context *context = NULL;
        rk_loaded *loaded = NULL;
        rk_device_options options = {.threads = 1, .eager = true};
        float row[COLS] = {0, 0, bad[i]};
        assert_ok(device->open(&options, &context));
        assert_ok(device->bind(context, &f.store));
        assert_ok(device->load(context, &f.program, &loaded));
        assert_ok(device->run(context, loaded, 2));
        assert_ok(device->write(context, f.table, 7, 1, row));
        assert_fails(RK_ERR_DIVERGED, "step 3: node 0 (combine) of program small made %",
                     device->run(context, loaded, 1));
        assert_non_null(strstr(rk_last_error(), "[7, 2] "));
        device->close(context);
        free_fixture(&f);
    }
}

/* Every allocation fails once: an error, no leak (under ASan), and the device can be closed. */
static void out_of_memory_is_reported(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    bool succeeded = false;
    for (int64_t n = 0; n < 100 && !succeeded; n++) {
        rk_device_context *context = NULL;
        rk_loaded *loaded = NULL;
        rk_device_options options = {.threads = 1};
        rk__alloc_fail_after(n);
        rk_status status = device->open(&options, &context);
        status = status == RK_OK ? device->bind(context, &f.store) : status;
        status = status == RK_OK ? device->load(context, &f.program, &loaded) : status;
        rk__alloc_fail_after(-1);
        device->close(context);
        succeeded = status == RK_OK;
        assert_true(succeeded || status == RK_ERR_MEMORY);
    }
    assert_true(succeeded);
    free_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choosing_says_which_and_why),
        cmocka_unit_test(information_names_the_instruction_set),
        cmocka_unit_test(gathered_rows_are_summed),
        cmocka_unit_test(ceilings_are_measured),
        cmocka_unit_test(tensors_are_written_read_and_lent),
        cmocka_unit_test(eager_and_plain_runs_agree),
        cmocka_unit_test(eager_names_the_first_bad_operation),
        cmocka_unit_test(out_of_memory_is_reported),
    };
    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
