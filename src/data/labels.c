/* Item labels: two columns of a delimited text. */
#include "base/alloc.h"
#include "config/utf8.h"
#include "data/reader_internal.h"

/* Converts Latin-1 to UTF-8 in *buffer, which grows as needed. */
static rk_status from_latin1(rk_text text, char **buffer, int64_t *capacity, rk_text *out)
{
    if (*capacity < 2 * text.length) {
        RK_TRY(rk__realloc(buffer, *capacity, 2 * text.length, 1, "a label"));
        *capacity = 2 * text.length;
    }
    int64_t n = 0;
    for (int64_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x80) {
            (*buffer)[n++] = (char)c;
        } else {
            (*buffer)[n++] = (char)(0xc0 | c >> 6);
            (*buffer)[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    *out = (rk_text){*buffer, n};
    return RK_OK;
}

rk_status rk__labels_read(const rk_options *options, const char *path, rk_stop stop,
                          rk_label_fn take, void *self)
{
    rk_status status = RK_OK;
    rk_table table = {0};
    char *buffer = NULL;
    int64_t capacity = 0;
    int id = -1, text = -1;
    rk_id_rule rule = {
        .ids = options->data.ids, .missing = options->data.missing_ids, .takes_zeros = true};
    const rk_table_format format = {
        .separator = options->labels.separator[0] ? options->labels.separator : ",",
        .header = options->labels.header,
        .quotes = true,
    };
    RK_TRY(rk__table_open(
        &table, &format, path,
        (rk_line_options){.stop = stop,
                          .is_latin1 = options->labels.encoding == RK_ENCODING_LATIN1}));
    RK_TRY_GOTO(done, rk__table_want(&table, options->labels.id, "labels.id", &id));
    RK_TRY_GOTO(done, rk__table_want(&table, options->labels.text, "labels.text", &text));
    for (;;) {
        bool is_end = false;
        RK_TRY_GOTO(done, rk__table_next(&table, &is_end));
        if (is_end) {
            break;
        }
        rk_record record = {.item = table.fields[id], .has_item = true, .line = table.lines.number};
        bool is_missing = false;
        RK_TRY_GOTO(done, rk__id_read(&rule, &table.lines, &record.item, table.titles[id],
                                      &record.item_id, &is_missing));
        if (is_missing) {
            continue;
        }
        rk_text label = table.fields[text];
        if (!rk__utf8_is_valid(label.at, (size_t)label.length)) {
            RK_TRY_GOTO(done, from_latin1(label, &buffer, &capacity, &label));
        }
        RK_TRY_GOTO(done, take(self, &record, label));
    }
done:
    rk__free(buffer);
    rk__table_close(&table);
    return status;
}
