/*
 * RecBole atomic files: a header of name:type, tabs. Odd headers (no type, blanks, CRLF) are
 * accepted; names are compared without their type.
 */
#include "data/reader_internal.h"

rk_status rk__reader_open_inter(rk_reader *reader, const rk_source_options *source,
                                const char *path, rk_line_options lines)
{
    bool own_time = source->time[0] == '\0';
    rk_table_source inter = {
        .format = {.separator = source->separator[0] ? source->separator : "\t",
                   .header = true,
                   .quotes = source->quotes,
                   .decimal_comma = source->decimal == RK_DECIMAL_COMMA,
                   .typed = true},
        .user = source->user,
        .item = source->item,
        .time = own_time ? "timestamp" : source->time,
        .time_is_optional = own_time,
    };
    return rk__reader_open_table(reader, &inter, source, path, lines);
}
