/*
 * The CUDA device itself: initial values, tensors, profile, eager checks, lack of memory. The
 * faults that only the device of tests/emu can have are in tests/emu/test_faults.c.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/choices.h"
#include "device/device.h"
#include "models/model.h"
#include "ops/builder_solve.h"
#include "support/support.h"

enum { ROWS = 301, COLS = 7 };

static const rk_device *device;
static const float constant_data[ROWS * COLS] = {1, 2, 3};

typedef struct fixture {
    rk_store store;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    int32_t state, table, constant, result;
} fixture;

/* result = 3 table + constant, then SGD with the constant as gradient. */
static void make_fixture(fixture *f, rk_device_options options)
{
    *f = (fixture){0};
    rk_store *s = &f->store;
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(s, "table", RK_F32, ROWS, COLS, NULL, &f->table));
    assert_ok(rk__store_add(s, "constant", RK_F32, ROWS, COLS, constant_data, &f->constant));
    assert_ok(rk__store_add(s, "result", RK_F32, ROWS, COLS, NULL, &f->result));
    rk_program *p = &f->program;
    rk__program_init(p, s, "small");
    rk_value table = rk__use(p, f->table), twice = rk__add(p, table, table, 1, 1);
    rk_value thrice = rk__add(p, twice, table, 1, 1);
    rk__assign(p, f->result, rk__add(p, thrice, rk__use(p, f->constant), 1, 1));
    rk__sgd(p, table, rk__use(p, f->constant), rk__use(p, f->state), 0);
    rk__step_advance(p, rk__use(p, f->state));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
    assert_ok(device->open(&options, &f->context));
    assert_ok(device->bind(f->context, s));
    assert_ok(device->load(f->context, p, &f->loaded));
}

static void free_fixture(fixture *f)
{
    device->close(f->context);
    rk__program_free(&f->program);
    rk__store_free(&f->store);
}

/* Blocks that end inside of a draw of four; normal numbers go through a device's own log and cos.
 */
static void initial_values_are_the_hosts(void **unused)
{
    (void)unused;
    for (int kind = RK_INIT_NORMAL; kind <= RK_INIT_XAVIER_NORMAL; kind++) {
        fixture f;
        make_fixture(&f, (rk_device_options){0});
        rk_parameter p = {
            .rows = ROWS, .cols = COLS, .init = kind, .init_sd = 0.1, .block_end = {101, ROWS}};
        float expected[ROWS * COLS], actual[ROWS * COLS];
        uint64_t seed = 0x123456789abcdefu;
        rk__parameter_init(&p, 3, seed, expected);
        rk_device_init how = {.kind = kind, .number = 3, .seed = seed};
        for (int block = 0; block < 2; block++) {
            how.first_row = how.end_row;
            how.end_row = p.block_end[block];
            how.scale = rk__parameter_scale(&p, block);
            assert_ok(device->init(f.context, f.table, &how));
        }
        assert_ok(device->read(f.context, f.table, 0, ROWS, actual));
        for (int i = 0; i < ROWS * COLS; i++) {
            if (kind == RK_INIT_XAVIER) {
                assert_true(actual[i] == expected[i]); /* the same words, exact arithmetic */
            } else {
                assert_close((double)actual[i], (double)expected[i], 2e-7, 1e-3);
            }
        }
        how.end_row = ROWS + 1;
        assert_fails(RK_ERR_INTERNAL, "of table, which has 301",
                     device->init(f.context, f.table, &how));
        free_fixture(&f);
    }
}

static void tensors_are_written_and_read(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f, (rk_device_options){0});
    float in[2 * COLS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, out[ROWS * COLS];
    assert_ok(device->read(f.context, f.table, 0, ROWS, out));
    for (int i = 0; i < ROWS * COLS; i++) {
        assert_true(out[i] == 0);
    }
    assert_ok(device->read(f.context, f.constant, 0, ROWS, out));
    assert_memory_equal(out, constant_data, sizeof out);
    assert_ok(device->write(f.context, f.table, 4, 2, in));
    assert_ok(device->read(f.context, f.table, 3, 3, out));
    assert_true(out[0] == 0 && out[COLS] == 1 && out[3 * COLS - 1] == 14);
    assert_ok(device->write(f.context, f.table, ROWS, 0, in));
    assert_fails(RK_ERR_INTERNAL, "rows 300 to 302 of table, which has 301",
                 device->write(f.context, f.table, ROWS - 1, 2, in));
    assert_fails(RK_ERR_INTERNAL, "rows -1 to 1 of table",
                 device->read(f.context, f.table, -1, 2, out));
    assert_fails(RK_ERR_INTERNAL, "constant is a constant",
                 device->write(f.context, f.constant, 0, 1, in));
    free_fixture(&f);
}

static void the_profile_counts_calls(void **unused)
{
    (void)unused;
    for (int eager = 0; eager < 2; eager++) {
        fixture f;
        rk_op_time times[RK_OP_COUNT] = {0};
        make_fixture(&f, (rk_device_options){.eager = eager});
        device->profile(f.context, times);
        assert_ok(device->run(f.context, f.loaded, 3));
        device->profile(f.context, NULL);
        assert_ok(device->run(f.context, f.loaded, 1));
        assert_ok(device->sync(f.context));
        assert_int_equal(times[RK_OP_COMBINE].calls, 9);
        assert_int_equal(times[RK_OP_SGD].calls, 3);
        assert_true(times[RK_OP_COMBINE].seconds >= 0);
        free_fixture(&f);
    }
}

/* Every width of row that the lanes are divided for differently; one wider than a warp. */
static void ceilings_are_measured(void **unused)
{
    (void)unused;
    static const int64_t row_bytes[] = {64, 128, 192, 1024};
    fixture f;
    make_fixture(&f, (rk_device_options){0});
    for (size_t i = 0; i < sizeof row_bytes / sizeof row_bytes[0]; i++) {
        rk_device_probe what = {
            .rows = 50, .row_bytes = row_bytes[i], .gathers = 300, .copy_bytes = 1000};
        rk_device_ceilings c = {0};
        assert_ok(device->measure(f.context, &what, &c));
        assert_true(c.gather > 0 && isfinite(c.gather) && c.copy > 0 && isfinite(c.copy));
        assert_true(c.flops > 0 && isfinite(c.flops) && c.launch > 0 && c.launch < 1);
    }
    assert_ok(device->run(f.context, f.loaded, 1)); /* what is bound and loaded is as it was */
    free_fixture(&f);
}

static void eager_names_the_first_bad_operation(void **unused)
{
    (void)unused;
    for (int exact = 0; exact < 2; exact++) {
        fixture f;
        make_fixture(&f, (rk_device_options){.eager = true, .exact = exact});
        float row[COLS] = {0, 0, INFINITY};
        assert_ok(device->run(f.context, f.loaded, 2));
        assert_ok(device->write(f.context, f.table, 7, 1, row));
        assert_fails(RK_ERR_DIVERGED, "step 3: node 0 (combine) of program small made %",
                     device->run(f.context, f.loaded, 1));
        assert_non_null(strstr(rk_last_error(), "[7, 2] "));
        free_fixture(&f);
    }
}

static void information_names_the_device(void **unused)
{
    (void)unused;
    fixture f;
    rk_device_info info;
    make_fixture(&f, (rk_device_options){.matmul = RK_MATMUL_TF32});
    assert_ok(device->info(f.context, &info));
    assert_non_null(strstr(info.name, "compute capability "));
    assert_non_null(strstr(info.name, "tf32 products"));
    assert_true(info.memory_total > 0 && info.memory_free <= info.memory_total);
    free_fixture(&f);
}

/* An argument is a pattern of tests to run. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_values_are_the_hosts),
        cmocka_unit_test(tensors_are_written_and_read),
        cmocka_unit_test(the_profile_counts_calls),
        cmocka_unit_test(ceilings_are_measured),
        cmocka_unit_test(eager_names_the_first_bad_operation),
        cmocka_unit_test(information_names_the_device),
    };
    const char *reason = NULL;
    if (rk__device_choose(RK_DEVICE_CUDA, 0, &device, &reason) != RK_OK) {
        printf("skipped: %s\n", rk_last_error());
        return 77;
    }
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests_name("cuda", tests, NULL, NULL);
}
