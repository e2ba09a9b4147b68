/* JSON lines. */
#include "data/reader_internal.h"
#include "data/table_kinds.h"

rk_status rk__reader_open_jsonl(rk_reader *reader, const rk_source_options *source,
                                const char *path, rk_line_options lines)
{
    rk_table_source jsonl = {
        .format = {.kind = &rk__table_json},
        .user = source->user,
        .item = source->item,
        .time = source->time,
    };
    return rk__reader_open_table(reader, &jsonl, source, path, lines);
}
