/* What a file may be: compressed, Latin-1, a pipe, of an old Mac, and what is no text at all. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "support/readers.h"

static char *folder;
static char text[200000];
static int64_t length;
static test_sums plain;

static rk_status read_file(const char *name, int64_t block, test_sums *out)
{
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.time = (char *)"t";
    return test_read_all(&source, test_path(folder, name), RK_IDS_INTEGER,
                         (rk_line_options){.block = block}, out);
}

static int setup(void **state)
{
    (void)state;
    folder = test_scratch();
    length = snprintf(text, sizeof text, "user_id,item_id,note,t\n");
    for (int i = 0; i < 5000; i++) {
        length += snprintf(text + length, sizeof text - (size_t)length, "%d,%d,\"n,%d\",%d\n",
                           i * 7919 % 1000, i * 104729 % 300, i % 13, 1500000000 + i * 31);
    }
    test_write(test_path(folder, "plain.csv"), text, length);
    return read_file("plain.csv", 0, &plain) == RK_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    test_scratch_remove(folder);
    return 0;
}

/* One gzip member of the bytes, appended to out. */
static int64_t gzip_member(const char *bytes, int64_t n, char *out, int64_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)bytes;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    int64_t made = room - (int64_t)z.avail_out;
    deflateEnd(&z);
    return made;
}

static int64_t zstd_frame(const char *bytes, int64_t n, char *out, int64_t room)
{
    size_t made = ZSTD_compress(out, (size_t)room, bytes, (size_t)n, 3);
    assert_false(ZSTD_isError(made));
    return (int64_t)made;
}

/* The text in pieces, each a member, an empty one among them; returns the bytes. */
static int64_t pack(bool is_zstd, int pieces, char *out, int64_t room)
{
    int64_t n = 0;
    for (int i = 0; i < pieces; i++) {
        int64_t from = length * i / pieces, to = length * (i + 1) / pieces;
        n += is_zstd ? zstd_frame(text + from, to - from, out + n, room - n)
                     : gzip_member(text + from, to - from, out + n, room - n);
        if (i == 0 && pieces > 1) {
            n += is_zstd ? zstd_frame("", 0, out + n, room - n)
                         : gzip_member("", 0, out + n, room - n);
        }
    }
    return n;
}

static void assert_same(const test_sums *sums)
{
    assert_int_equal(sums->records, plain.records);
    assert_true(sums->check == plain.check && sums->words == plain.words);
    assert_true(sums->times == plain.times);
}

static void compressed_files_are_told_by_their_bytes(void **state)
{
    (void)state;
    static char packed[200000];
    static const int64_t blocks[] = {0, 1, 7, 4096};
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        for (int pieces = 1; pieces <= 3; pieces++) {
            int64_t n = pack(is_zstd, pieces, packed, sizeof packed);
            test_write(test_path(folder, "packed.csv"), packed, n); /* not called .gz */
            for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
                test_sums sums;
                assert_ok(read_file("packed.csv", blocks[i], &sums));
                assert_same(&sums);
                assert_int_equal(sums.counts.file_bytes, n);
                assert_int_equal(sums.counts.bytes, n);
            }
        }
    }
}

static void damaged_compressed_files_are_refused(void **state)
{
    (void)state;
    static char packed[200000];
    test_sums sums;
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        int64_t n = pack(is_zstd, 2, packed, sizeof packed);
        for (int64_t cut = 20; cut < n; cut += n / 37) {
            test_write(test_path(folder, "cut.gz"), packed, cut);
            rk_status status = read_file("cut.gz", 0, &sums);
            if (status != RK_OK) { /* unless it is cut between two members, at the end of a line */
                assert_int_equal(status, RK_ERR_DATA);
            }
        }
        test_write(test_path(folder, "cut.gz"), packed, n - 1);
        assert_fails(RK_ERR_DATA, "cut.gz ends in the middle of its compressed data",
                     read_file("cut.gz", 0, &sums));
        memcpy(packed + n, "garbage", 7);
        test_write(test_path(folder, "more.gz"), packed, n + 7);
        assert_fails(RK_ERR_DATA, "more.gz is damaged", read_file("more.gz", 0, &sums));
        n = pack(is_zstd, 1, packed, sizeof packed);
        packed[n / 2] = (char)(packed[n / 2] ^ 0x55);
        test_write(test_path(folder, "flip.gz"), packed, n);
        assert_int_equal(read_file("flip.gz", 0, &sums), RK_ERR_DATA);
    }
    /* Zero bytes that fill up a block are no member. */
    int64_t n = pack(false, 1, packed, sizeof packed);
    memset(packed + n, 0, 512);
    test_write(test_path(folder, "padded.gz"), packed, n + 512);
    assert_ok(read_file("padded.gz", 0, &sums));
    assert_same(&sums);
    /* Not text inside, and compressed twice. */
    n = gzip_member("PAR1\0\1\2\3", 8, packed, sizeof packed);
    test_write(test_path(folder, "twice.gz"), packed, n);
    assert_fails(RK_ERR_DATA, "twice.gz is a Parquet file", read_file("twice.gz", 0, &sums));
    static char twice[4096];
    n = gzip_member(packed, n, twice, sizeof twice);
    test_write(test_path(folder, "twice.gz"), twice, n);
    assert_fails(RK_ERR_DATA, "twice.gz is compressed twice", read_file("twice.gz", 0, &sums));
}

static void line_ends_of_old_macs(void **state)
{
    (void)state;
    static char mac[200000];
    for (int64_t i = 0; i <= length; i++) {
        mac[i] = text[i] == '\n' ? '\r' : text[i];
    }
    for (int cut = 0; cut < 2; cut++) { /* without the last one, too */
        test_sums sums;
        test_write(test_path(folder, "mac.csv"), mac, length - cut);
        assert_ok(read_file("mac.csv", 0, &sums));
        assert_same(&sums);
        assert_ok(read_file("mac.csv", 13, &sums));
        assert_same(&sums);
    }
    rk_source_options source = test_source(RK_FORMAT_CSV);
    test_sums sums;
    assert_fails(RK_ERR_DATA, "m.csv:3:3: item_id 'x' is not a number",
                 test_read_text(&source, folder, "m.csv", "user_id,item_id\r1,2\r3,x\r",
                                RK_IDS_INTEGER, &sums));
    assert_fails(RK_ERR_DATA, "line ends are mixed",
                 test_read_text(&source, folder, "m.csv", "user_id,item_id\r1,2\r3,4\n5,6\n",
                                RK_IDS_INTEGER, &sums));
}

static void latin1_by_option(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.user = (char *)"utilis\xc3\xa9";
    source.where = (char *)"x == \xc3\xbc";
    test_sums utf8, sums;
    assert_ok(test_read_text(&source, folder, "l.csv",
                             "utilis\xc3\xa9,item_id,x\nJos\xc3\xa9,\xc3\xbf,\xc3\xbc\nb,c,u\n",
                             RK_IDS_TEXT, &utf8));
    assert_int_equal(utf8.records, 1);
    source.encoding = RK_ENCODING_LATIN1;
    test_write(test_path(folder, "l.csv"), "utilis\xe9,item_id,x\nJos\xe9,\xff,\xfc\nb,c,u\n", -1);
    for (int64_t block = 0; block < 9; block++) {
        assert_ok(test_read_all(&source, test_path(folder, "l.csv"), RK_IDS_TEXT,
                                (rk_line_options){.block = block}, &sums));
        assert_int_equal(sums.records, 1);
        assert_true(sums.words == utf8.words);
    }
    assert_fails(RK_ERR_CONFIG, "begins with a UTF-8 byte order mark",
                 test_read_text(&source, folder, "l.csv", "\xef\xbb\xbfuser_id,item_id\n1,2\n",
                                RK_IDS_TEXT, &sums));
}

static void files_that_are_no_text(void **state)
{
    (void)state;
#define BYTES(bytes) bytes, sizeof bytes - 1
    static const struct {
        const char *bytes;
        int64_t n;
        const char *message;
    } cases[] = {
        {BYTES("PAR1\x15\x04"), "is a Parquet file: write it as CSV first"},
        {BYTES("PK\3\4\0\0\0\0[Content_Types].xml"),
         "is an Excel workbook (.xlsx): save the sheet"},
        {BYTES("PK\3\4\0\0\0\0data.csv"), "is a zip archive"},
        {BYTES("PK\3\4\0\0\0\0indices.npy"), "is a NumPy archive (.npz): set format to npz"},
        {BYTES("\x93NUMPY\1\0v\0{"), "is a NumPy array (.npy)"},
        {BYTES("\x89HDF\r\n\x1a\n"), "is an HDF5 file"},
        {BYTES("SQLite format 3\0"), "is an SQLite database"},
        {BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "is an Excel workbook (.xls)"},
        {BYTES("BZh91AY&SY\1\2\3"), "is compressed by bzip2: unpack it"},
        {BYTES("\xfd"
               "7zXZ\0\0\4"),
         "is compressed by xz: unpack it"},
        {BYTES("[{\"user_id\": 1}]"), "is a JSON array: write one object a line"},
        {BYTES("[\n  {\"user_id\": 1}\n]"), "is a JSON array"},
        {BYTES("{\"user_id\": 1, \"item_id\": 2}\n"), "is JSON: set format to jsonl"},
        {BYTES("%%MatrixMarket matrix coordinate real general\n"), "set format to mtx"},
        {BYTES("<!DOCTYPE html>\n<html>"), "is a web page or XML"},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"), "Git LFS pointer"},
        {BYTES("\x80\x04\x95\x10\0\0\0"), "is a Python pickle"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_sums sums;
        test_write(test_path(folder, "what.csv"), cases[i].bytes, cases[i].n);
        assert_fails(RK_ERR_DATA, cases[i].message, read_file("what.csv", 0, &sums));
    }
    /* Names that begin like a format. */
    rk_source_options source = test_source(RK_FORMAT_CSV);
    test_sums sums;
    assert_ok(test_read_text(&source, folder, "o.csv", "ORC,PAR1,BZh,user_id,item_id\n1,2,3,4,5\n",
                             RK_IDS_INTEGER, &sums));
    source.user = (char *)"PAR1";
    assert_ok(
        test_read_text(&source, folder, "o.csv", "PAR1,item_id\n1,2\n", RK_IDS_INTEGER, &sums));
}

/* ---- pipes ---- */

static void *write_slowly(void *path)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    for (int64_t at = 0; at < length;) {
        int64_t n = length - at < 3000 ? length - at : 3000;
        ssize_t put = write(descriptor, text + at, (size_t)n);
        at += put > 0 ? put : length;
        if (at < 9001) {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
    }
    close(descriptor);
    return NULL;
}

static void a_named_pipe_is_read_once(void **state)
{
    (void)state;
    const char *path = test_path(folder, "pipe");
    pthread_t writer;
    test_sums sums;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, (void *)path), 0);
    assert_ok(read_file("pipe", 0, &sums));
    pthread_join(writer, NULL);
    assert_same(&sums);
    assert_int_equal(sums.counts.file_bytes, 0);
    assert_int_equal(sums.counts.bytes, length);
}

static bool stop_at_third(void *self)
{
    return ++*(int *)self >= 3;
}

/* Nobody ever writes: what wants to stop is heard all the same, also before a block of a file. */
static void a_wish_to_stop_is_heard(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.time = (char *)"t";
    int asked = 0;
    rk_reader_options how = {.stop = {stop_at_third, &asked}};
    rk_reader *reader = NULL;
    const char *path = test_path(folder, "silent");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(RK_ERR_INTERRUPTED, "interrupted while reading",
                 rk__reader_open_with(&reader, &source, path, &how));
    asked = 0;
    test_sums sums;
    assert_fails(RK_ERR_INTERRUPTED, "plain.csv; nothing was written",
                 test_read_with(&source, test_path(folder, "plain.csv"), &how,
                                (rk_line_options){.block = 1000}, &sums));
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    char packed[512];
    const char *small = "user_id,item_id,t\n1,2,3\n3,4,5\n";
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        int64_t n = is_zstd ? zstd_frame(small, (int64_t)strlen(small), packed, sizeof packed)
                            : gzip_member(small, (int64_t)strlen(small), packed, sizeof packed);
        test_write(test_path(folder, "small"), packed, n);
        rk_status status = RK_ERR_MEMORY;
        int64_t tries = 0;
        for (; status == RK_ERR_MEMORY && tries < 100; tries++) {
            test_sums sums;
            rk__alloc_fail_after(tries);
            status = read_file("small", 4, &sums);
            rk__alloc_fail_after(-1);
        }
        assert_ok(status);
        assert_in_range(tries, 5, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_files_are_told_by_their_bytes),
        cmocka_unit_test(damaged_compressed_files_are_refused),
        cmocka_unit_test(line_ends_of_old_macs),
        cmocka_unit_test(latin1_by_option),
        cmocka_unit_test(files_that_are_no_text),
        cmocka_unit_test(a_named_pipe_is_read_once),
        cmocka_unit_test(a_wish_to_stop_is_heard),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests_name("reader_input", tests, setup, teardown);
}
