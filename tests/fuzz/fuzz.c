#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void remove_file(void)
{
    (void)remove(path);
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
    if (!path[0]) {
        snprintf(path, sizeof path, "%s/rankine-fuzz-%d",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
        (void)atexit(remove_file);
    }
    FILE *file = fopen(path, "wb");
    fuzz_check(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0,
               "the input was written");
    return path;
}

const char *fuzz_text(const uint8_t *data, size_t size)
{
    static char *text;
    free(text);
    text = malloc(size + 1); /* of its own: reading past its end is found */
    fuzz_check(text != NULL, "there is memory");
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

void fuzz_check(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz: not so: %s\n", what);
        abort();
    }
}
