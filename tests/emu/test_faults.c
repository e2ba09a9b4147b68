/* What a person is told when there is no usable device, or not enough of it. */
#include <pthread.h>

#include "base/choices.h"
#include "device/device.h"
#include "emu_control.h"
#include "ops/builder_solve.h"
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
                     rk__device_choose(RK_DEVICE_CUDA, 0, &device, &reason));
        assert_non_null(strstr(rk_last_error(), "run.device is cuda"));
        assert_ok(rk__device_choose(RK_DEVICE_AUTO, 0, &device, &reason));
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

/* ---- several devices ---- */

static void the_index_chooses_the_device(void **unused)
{
    (void)unused;
    const rk_device *device = NULL;
    const char *reason = NULL;
    emu_set_devices(2);
    assert_int_equal(rk__device_cuda.count(), 2);
    for (int64_t i = 0; i < 2; i++) {
        rk_device_context *context = NULL;
        rk_device_info info;
        assert_ok(rk__device_choose(RK_DEVICE_CUDA, i, &device, &reason));
        assert_ok(device->open(&(rk_device_options){.index = i}, &context));
        assert_ok(device->info(context, &info));
        assert_int_equal(strncmp(info.name, "CPU emulator 1,", 15) == 0, i == 1);
        device->close(context);
    }
    /* beyond the last one: an error, with auto as well */
    static const char text[] =
        "cuda.device is 2, but CUDA shows 2 devices here: take one from 0 to 1";
    assert_fails(RK_ERR_CONFIG, text, rk__device_choose(RK_DEVICE_CUDA, 2, &device, &reason));
    assert_fails(RK_ERR_CONFIG, text, rk__device_choose(RK_DEVICE_AUTO, 2, &device, &reason));
    /* the one that was asked for is looked at, no other */
    emu_set_fault("old_device:1");
    assert_ok(rk__device_choose(RK_DEVICE_CUDA, 0, &device, &reason));
    assert_fails(RK_ERR_DEVICE, "the GPU has compute capability 6.1",
                 rk__device_choose(RK_DEVICE_CUDA, 1, &device, &reason));
    emu_set_fault(NULL);
    emu_set_devices(1);
    assert_fails(RK_ERR_CONFIG, "cuda.device is 1, but CUDA shows 1 device here, number 0",
                 rk__device_choose(RK_DEVICE_CUDA, 1, &device, &reason));
}

typedef struct thread_work {
    fixture *f;
    rk_status status;
    bool is_right;
    char message[200];
} thread_work;

/* A call of a thread that works with another device, as one that has never seen a device does. */
#define TRY_FROM_ELSEWHERE(call_)                                                                  \
    do {                                                                                           \
        emu_use_device(0);                                                                         \
        RK_TRY(call_);                                                                             \
    } while (0)

/* Everything that a context is asked for. */
static rk_status ask_everything(thread_work *w)
{
    static float in[ROWS * COLS], out[ROWS * COLS];
    const rk_device *d = &rk__device_cuda;
    fixture *f = w->f;
    rk_device_info info;
    rk_device_ceilings ceilings;
    int64_t nodes = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        in[i] = (float)(i % 97);
    }
    TRY_FROM_ELSEWHERE(d->info(f->context, &info));
    const rk_device_init how = {.scale = 1, .end_row = ROWS};
    TRY_FROM_ELSEWHERE(d->init(f->context, f->table, &how));
    TRY_FROM_ELSEWHERE(d->write(f->context, f->table, 0, ROWS, in));
    TRY_FROM_ELSEWHERE(d->load(f->context, &f->program, &f->loaded));
    TRY_FROM_ELSEWHERE(d->graph_nodes(f->context, f->loaded, &nodes));
    TRY_FROM_ELSEWHERE(d->run(f->context, f->loaded, 1));
    TRY_FROM_ELSEWHERE(d->sync(f->context));
    TRY_FROM_ELSEWHERE(d->read(f->context, f->result, 0, ROWS, out));
    const rk_device_probe what = {.rows = 50, .row_bytes = 64, .gathers = 300, .copy_bytes = 1000};
    TRY_FROM_ELSEWHERE(d->measure(f->context, &what, &ceilings));
    d->unload(f->context, f->loaded);
    f->loaded = NULL;
    w->is_right = strncmp(info.name, "CPU emulator 1,", 15) == 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        w->is_right = w->is_right && out[i] == 2 * in[i];
    }
    return RK_OK;
}

static void *other_thread(void *argument)
{
    thread_work *w = argument;
    w->status = ask_everything(w);
    snprintf(w->message, sizeof w->message, "%s", w->status == RK_OK ? "" : rk_last_error());
    return NULL;
}

/* The scorer answers whichever thread asks, and CUDA's current device is each thread's own. */
static void any_thread_may_use_a_context(void **unused)
{
    (void)unused;
    emu_set_devices(2);
    fixture f, of_first;
    make_program(&f);
    make_program(&of_first);
    assert_ok(rk__device_cuda.open(&(rk_device_options){.index = 1}, &f.context));
    assert_ok(rk__device_cuda.bind(f.context, &f.store));
    for (int i = 0; i < 2; i++) {
        thread_work w = {.f = &f};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, other_thread, &w), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (w.status != RK_OK) {
            fail_msg("%s", w.message);
        }
        assert_true(w.is_right);
        if (i == 0) { /* and this thread turns to another device in between */
            assert_ok(start_and_run(&of_first, (rk_device_options){.index = 0}));
        }
    }
    free_fixture(&of_first);
    free_fixture(&f);
    emu_set_devices(1);
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

/* A graph that cannot be captured as it should be costs time and no result. */
static void a_capture_that_fails_is_noted(void **unused)
{
    (void)unused;
    static const struct {
        const char *fault, *note;
        bool has_graph;
    } faults[] = {
        {"", NULL, true},
        {"no_early", "program small is replayed without branches and early launches", true},
        {"no_capture", "program small is launched kernel by kernel", false},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const rk_device *d = &rk__device_cuda;
        static float table[ROWS * COLS], result[ROWS * COLS];
        int64_t nodes = 0;
        fixture f;
        make_program(&f);
        for (int j = 0; j < ROWS * COLS; j++) {
            table[j] = (float)j;
        }
        emu_set_fault(faults[i].fault);
        assert_ok(start(&f, (rk_device_options){.steps_per_launch = 2}));
        assert_ok(d->write(f.context, f.table, 0, ROWS, table));
        assert_ok(d->run(f.context, f.loaded, 3));
        assert_ok(d->read(f.context, f.result, 0, ROWS, result));
        for (int j = 0; j < ROWS * COLS; j++) {
            assert_true(result[j] == 2 * table[j]);
        }
        char note[512];
        bool has_note = d->note(f.context, note, sizeof note);
        assert_int_equal(has_note, faults[i].note != NULL);
        assert_true(!has_note || strstr(note, faults[i].note));
        assert_false(d->note(f.context, note, sizeof note)); /* once */
        assert_ok(d->graph_nodes(f.context, f.loaded, &nodes));
        assert_int_equal(nodes > 0, faults[i].has_graph);
        free_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_is_not_there_is_explained),
        cmocka_unit_test(a_device_that_cannot_be_used_is_explained),
        cmocka_unit_test(the_index_chooses_the_device),
        cmocka_unit_test(any_thread_may_use_a_context),
        cmocka_unit_test(a_crash_on_the_device_is_found),
        cmocka_unit_test(lack_of_memory_is_reported),
        cmocka_unit_test(a_capture_that_fails_is_noted),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
