/* train/tfrecord and train/events: CRC-32C, framing, names of files, disks without space. What
 * TensorBoard's own reader makes of them is in tests/cli/test_tensorboard.sh. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "support/support.h"
#include "train/events.h"
#include "train/hparams.h"
#include "train/tfrecord.h"

/* RFC 3720, B.4, and the check value of the catalogue of parametrised CRC algorithms. */
static void crc_vectors(void **state)
{
    (void)state;
    unsigned char bytes[32] = {0};
    assert_int_equal(rk__crc32c("123456789", 9), 0xe3069283U);
    assert_int_equal(rk__crc32c("", 0), 0);
    assert_int_equal(rk__crc32c(bytes, 32), 0x8a9136aaU);
    memset(bytes, 0xff, 32);
    assert_int_equal(rk__crc32c(bytes, 32), 0x62a8ab43U);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(rk__crc32c(bytes, 32), 0x46dd794eU);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(rk__crc32c(bytes, 32), 0x113fdb5cU);
}

/* The version record that TensorFlow 2 itself begins files with, but for its time of 0: the two
 * checksums are those of tensorboard.compat.tensorflow_stub.pywrap_tensorflow.masked_crc32c. */
static void framing(void **state)
{
    (void)state;
    static const unsigned char wanted[] = {0x18, 0,    0,    0,    0,    0,   0,   0,   0xa3,
                                           0x7f, 0x4b, 0x22, 0x09, 0,    0,   0,   0,   0,
                                           0,    0,    0,    0x1a, 0x0d, 'b', 'r', 'a', 'i',
                                           'n',  '.',  'E',  'v',  'e',  'n', 't', ':', '2'};
    rk_buffer message = {0}, out = {0};
    rk__proto_double(&message, 1, 0);
    rk__proto_text(&message, 3, "brain.Event:2");
    rk__tfrecord_add(&out, &message);
    assert_int_equal(out.length, sizeof wanted + 4);
    assert_memory_equal(out.at, wanted, sizeof wanted);
    rk__buffer_free(&message);
    rk__buffer_free(&out);
}

/* Varints of the protocol buffers' documentation, and the widest. */
static void fields(void **state)
{
    (void)state;
    rk_buffer out = {0};
    rk__proto_int(&out, 1, 150);
    assert_int_equal(out.length, 3);
    assert_memory_equal(out.at, "\x08\x96\x01", 3);
    rk__proto_int(&out, 2, -1);
    assert_int_equal(out.length, 3 + 11);
    assert_memory_equal(out.at + 3, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    rk__buffer_free(&out);
    rk__proto_float(&out, 2, 1.5F);
    assert_memory_equal(out.at, "\x15\x00\x00\xc0\x3f", 5);
    rk__buffer_free(&out);
    rk_buffer inner = {0};
    rk__proto_text(&inner, 2, "testing");
    rk__proto_message(&out, 3, &inner);
    assert_memory_equal(out.at, "\x1a\x09\x12\x07testing", 11);
    rk__buffer_free(&out);
}

/* Three files within a second, and one after a clock that was set back: each name is behind the
 * ones before, also where the other's process number is larger. Another file stays where it is. */
static void names_go_on(void **state)
{
    (void)state;
    char *folder = test_scratch();
    char last[256] = RK_EVENTS_PREFIX "9000000000.other.9999999.0";
    test_write(test_path(folder, last), "", 0);
    test_write(test_path(folder, "notes.txt"), "mine", -1);
    for (int i = 0; i < 3; i++) {
        rk_events events = rk__events_of(folder, 0);
        rk__events_scalar(&events, "loss/total", 1);
        assert_ok(rk__events_write(&events, 1));
        const char *name = strrchr(events.path, '/') + 1;
        assert_true(strcmp(name, last) > 0);
        snprintf(last, sizeof last, "%s", name);
        rk__events_close(&events);
    }
    assert_int_equal(test_count_files(folder), 5);
    rk__events_clear(folder);
    assert_int_equal(test_count_files(folder), 1);
    test_scratch_remove(folder);
}

/* Without a number, a folder or an epoch there is no file. */
static void nothing_to_say(void **state)
{
    (void)state;
    char *folder = test_scratch();
    rk_events events = rk__events_of(folder, 1), none = rk__events_of(NULL, 1);
    assert_ok(rk__events_write(&events, 1));
    rk__events_scalar(&none, "loss/total", 1);
    assert_ok(rk__events_write(&none, 1));
    rk__events_close(&events);
    rk__events_close(&none);
    assert_int_equal(test_count_files(folder), 0);
    test_scratch_remove(folder);
}

static void full_disk(void **state)
{
    (void)state;
    char *folder = test_scratch();
    struct rlimit before, small = {.rlim_cur = 80};
    rk_events events = rk__events_of(folder, 0);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    rk__events_scalar(&events, "loss/total", 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rk_status status = rk__events_write(&events, 1);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, RK_ERR_IO);
    assert_non_null(strstr(rk_last_error(), "cannot be written: File too large"));
    assert_non_null(strstr(rk_last_error(), events.path));
    rk__events_close(&events);
    test_scratch_remove(folder);
    rk_events gone = rk__events_of("/nonexistent", 0);
    rk__events_scalar(&gone, "loss/total", 1);
    assert_fails(RK_ERR_IO, "/nonexistent", rk__events_write(&gone, 1));
    rk__events_close(&gone);
}

static rk_status write_everything(const char *folder)
{
    const rk_hparam hparams[] = {{"model.dim", NULL, 64}, {"loss.kind", "bpr", 0}};
    rk_events events = rk__events_of(folder, 3);
    rk__events_scalar(&events, "loss/total", 1);
    rk_status status = rk__events_write(&events, 3);
    rk__events_close(&events);
    status = status == RK_OK ? rk__hparams_write_start(folder, "a", hparams, 2) : status;
    return status == RK_OK ? rk__hparams_write_experiment(folder, hparams, 2, "valid/ndcg@10")
                           : status;
}

static void memory_runs_out(void **state)
{
    (void)state;
    char *folder = test_scratch();
    int failures = 0;
    for (;; failures++) {
        rk__alloc_fail_after(failures);
        rk_status status = write_everything(folder);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        assert_true(failures < 1000);
    }
    assert_true(failures > 10);
    test_scratch_remove(folder);
}

/* "write DIR": an event file for tests/cli/test_tensorboard.sh to read. */
static int write_numbers(const char *folder)
{
    static const double numbers[] = {NAN, INFINITY, -INFINITY, 1e300, 0.5};
    rk_events events = rk__events_of(folder, 1);
    rk_status status = RK_OK;
    for (int i = 0; i < 5 && status == RK_OK; i++) {
        rk__events_scalar(&events, "loss/total", numbers[i]);
        status = rk__events_write(&events, i + 1);
    }
    rk__events_close(&events);
    return (int)status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "write") == 0) {
        return (int)write_numbers(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_vectors),     cmocka_unit_test(framing),
        cmocka_unit_test(fields),          cmocka_unit_test(names_go_on),
        cmocka_unit_test(nothing_to_say),  cmocka_unit_test(full_disk),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
