#include "support/support.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* LLVM's OpenMP keeps a few kilobytes of its threads until the process ends, and HDF5 loses memory
 * of its own when it meets a damaged file. Handles that we forget are not leaks
 * to the sanitizer in any case (test_h5 counts them). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\nleak:libomp\n";
}

void assert_close(double actual, double expected, double relative, double floor)
{
    double scale = fmax(fabs(expected), floor);
    if (!(fabs(actual - expected) <= relative * scale)) {
        fail_msg("got %.9g, expected %.9g (within %.1e relative)", actual, expected, relative);
    }
}

char *test_scratch(void)
{
    char *directory = strdup("/tmp/rankine-test-XXXXXX");
    assert_non_null(directory);
    assert_non_null(mkdtemp(directory));
    return directory;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

void test_scratch_remove(char *directory)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

const char *test_path(const char *directory, const char *name)
{
    static char ring[8][512];
    static int next;
    char *path = ring[next++ % 8];
    snprintf(path, sizeof ring[0], "%s/%s", directory, name);
    return path;
}

void test_write(const char *path, const char *bytes, int64_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    size_t n = length < 0 ? strlen(bytes) : (size_t)length;
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

char *test_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *text = malloc((size_t)length + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)length, file), length);
    text[length] = '\0';
    fclose(file);
    return text;
}

int64_t test_count_files(const char *directory)
{
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    int64_t n = -2; /* . and .. */
    while (readdir(stream)) {
        n++;
    }
    closedir(stream);
    return n;
}

const char *test_data_or_skip(const char *name)
{
    const char *path = test_path(RANKINE_DATA, name);
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "skipped: the data set %s is not there\n", path);
        skip();
    }
    return path;
}

rk_config *config_of(const char *settings)
{
    char copy[900], *rest = copy, *setting;
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    assert_true(snprintf(copy, sizeof copy, "%s", settings) < (int)sizeof copy);
    while ((setting = strtok_r(rest, ";", &rest))) {
        assert_ok(rk_config_set(config, setting + strspn(setting, " "), "test"));
    }
    return config;
}
