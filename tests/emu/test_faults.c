/* What a person is told when there is no usable device, or not enough of it. */
#include "base/choices.h"
#include "device/device.h"
#include "emu_control.h"
#include "ops/builder.h"
#include "support/support.h"

enum { ROWS = 40000, COLS = 8 }; /* a table of 1.3 MB */

typedef struct fixture {
    rk_store store;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    int32_t table, result;
} fixture;

static void make_program(fixture *f)
{
    *f = (fixture){0};
    assert_ok(rk__store_add(&f->store, "table", RK_F32, ROWS, COLS, NULL, &f->table));
    assert_ok(rk__store_add(&f->store, "result", RK_F32, ROWS, COLS, NULL, &f->result));
    rk__program_init(&f->program, &f->store, "small");
    rk_value table = rk__use(&f->program, f->table);
    rk__assign(&f->program, f->result, rk__add(&f->program, table, table, 1, 1));
    assert_ok(rk__program_verify(&f->program));
    assert_ok(rk__program_plan(&f->program));
}

static rk_status start(fixture *f, rk_device_options options)
{
    const rk_device *d = &rk__device_cuda;
    RK_TRY(d->open(&options, &f->context));
    RK_TRY(d->bind(f->context, &f->store));
    return d->load(f->context, &f->program, &f->loaded);
}

static rk_status start_and_run(fixture *f, rk_device_options options)
{
    RK_TRY(start(f, options));
    RK_TRY(rk__device_cuda.run(f->context, f->loaded, 2));
    return rk__device_cuda.sync(f->context);
}

static void free_fixture(fixture *f)
{
    rk__device_cuda.close(f->context);
    rk__program_free(&f->program);
    rk__store_free(&f->store);
    emu_set_fault(NULL);
}

static void a_device_that_is_not_there_is_explained(void **unused)
{
    (void)unused;
    static const struct {
        const char *fault, *text;
    } faults[] = {
        {"no_driver", "no NVIDIA driver is installed here"},
        {"old_driver", "the driver is for CUDA 11.4, this build needs CUDA "},
        {"no_device", "there is no CUDA device here: use --device cpu"},
        {"old_device", "the GPU has compute capability 6.1, 7.5 or newer is needed"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const rk_device *device = NULL;
        const char *reason = NULL;
        emu_set_fault(faults[i].fault);
        assert_fails(RK_ERR_DEVICE, faults[i].text,
                     rk__device_choose(RK_DEVICE_CUDA, &device, &reason));
        assert_non_null(strstr(rk_last_error(), "run.device is cuda"));
        assert_ok(rk__device_choose(RK_DEVICE_AUTO, &device, &reason));
        assert_string_equal(device->name, "cpu");
        assert_non_null(strstr(reason, faults[i].text));
    }
    emu_set_fault(NULL);
}

static void a_device_that_cannot_be_used_is_explained(void **unused)
{
    (void)unused;
    static const struct {
        const char *fault, *text;
        rk_status status;
    } faults[] = {
        {"busy", "another process has the device for itself", RK_ERR_DEVICE},
        {"memory_taken", "other processes count too", RK_ERR_MEMORY},
        {"no_image", "rebuild with -DCMAKE_CUDA_ARCHITECTURES=native", RK_ERR_DEVICE},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        fixture f;
        make_program(&f);
        emu_set_fault(faults[i].fault);
        assert_fails(faults[i].status, faults[i].text, start_and_run(&f, (rk_device_options){0}));
        free_fixture(&f);
    }
}

/* Replayed: the host hears of it when it waits, and is told how to find out more. Eagerly: by name.
 */
static void a_crash_on_the_device_is_found(void **unused)
{
    (void)unused;
    fixture f;
    make_program(&f);
    emu_set_fault("crash:1");
    assert_fails(RK_ERR_DEVICE, "run with --eager to see which",
                 start_and_run(&f, (rk_device_options){0}));
    free_fixture(&f);
    make_program(&f);
    emu_set_fault("crash:1");
    assert_fails(RK_ERR_DEVICE, "program small, node 0 (combine): ",
                 start_and_run(&f, (rk_device_options){.eager = true}));
    free_fixture(&f);
}

/* Every allocation on the device fails once; nothing is lost (LeakSanitizer). */
static void lack_of_memory_is_reported(void **unused)
{
    (void)unused;
    for (int eager = 0; eager < 2; eager++) {
        bool succeeded = false;
        for (unsigned long long n = 1; n < 50 && !succeeded; n++) {
            fixture f;
            make_program(&f);
            emu_fail_malloc(n);
            rk_status status = start_and_run(&f, (rk_device_options){.eager = eager});
            emu_fail_malloc(0);
            succeeded = status == RK_OK;
            assert_true(succeeded ? n > 2 : status == RK_ERR_MEMORY);
            free_fixture(&f);
        }
        assert_true(succeeded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_is_not_there_is_explained),
        cmocka_unit_test(a_device_that_cannot_be_used_is_explained),
        cmocka_unit_test(a_crash_on_the_device_is_found),
        cmocka_unit_test(lack_of_memory_is_reported),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
