/* A filter in the first line, tried on a table of fixed columns and the rows behind it. */
#include <string.h>

#include "data/where.h"
#include "fuzz/fuzz.h"

static void try_rows(rk_where *where, const uint8_t *rows, size_t size)
{
    static const char head[] = "a,b,time\n1,buy,2020-09-20\n";
    char text[4096];
    rk_table table;
    bool holds = false, is_end = false;
    size_t kept = size < sizeof text - sizeof head ? size : sizeof text - sizeof head;
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, rows, kept);
    const rk_table_format format = {.separator = ",", .header = true, .quotes = true};
    const char *path = fuzz_file((const uint8_t *)text, sizeof head - 1 + kept);
    if (rk__table_open(&table, &format, path, (rk_line_options){0}) != RK_OK) {
        return;
    }
    rk_status status = rk__where_bind(where, &table);
    while (status == RK_OK && rk__table_next(&table, &is_end) == RK_OK && !is_end) {
        status = rk__where_test(where, &table, &holds);
    }
    rk__table_close(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_where where;
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) : size;
    if (rk__where_parse(&where, fuzz_text(data, length)) == RK_OK) {
        if (rk__where_is_set(&where)) {
            try_rows(&where, data + length, size - length);
        }
        rk__where_free(&where);
    }
    return 0;
}
