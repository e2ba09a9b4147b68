/* Reading the labels of the items of a data set. */
#include <string.h>

#include "base/alloc.h"
#include "data/dataset_internal.h"

/* Labels being read: their bytes, and where each item's label begins (-1 = none yet). */
typedef struct label_sink {
    const rk_dataset *dataset;
    int64_t *starts;
    char *bytes;
    int64_t length, capacity;
} label_sink;

static rk_status take_label(void *self, const rk_record *record, rk_text label)
{
    label_sink *sink = self;
    const rk_ids *ids = &sink->dataset->items;
    int64_t item = ids->texts ? rk__ids_find_text(ids, record->item.at, record->item.length)
                              : rk__ids_find_number(ids, record->item_id);
    if (item < 0 || sink->starts[item] >= 0) {
        return RK_OK;
    }
    int64_t end = sink->length + label.length + 1;
    if (end > sink->capacity) {
        int64_t wanted = end + end / 2 + 4096;
        RK_TRY(rk__realloc(&sink->bytes, sink->length, wanted, 1, "labels"));
        sink->capacity = wanted;
    }
    memcpy(sink->bytes + sink->length, label.at, (size_t)label.length);
    sink->bytes[end - 1] = '\0';
    sink->starts[item] = sink->length;
    sink->length = end;
    return RK_OK;
}

rk_status rk__dataset_add_labels(rk_dataset *dataset, const rk_options *options, rk_stop stop)
{
    if (options->labels.file[0] == '\0') {
        return RK_OK;
    }
    rk_status status = RK_OK;
    int64_t n = dataset->n_items;
    label_sink sink = {.dataset = dataset};
    char *path = NULL, **labels = NULL;
    RK_TRY_GOTO(done, rk__source_path(options, options->labels.file, &path));
    RK_TRY_GOTO(done, rk__alloc(&sink.starts, n, sizeof *sink.starts, "labels"));
    memset(sink.starts, 0xff, (size_t)n * sizeof *sink.starts);
    RK_TRY_GOTO(done, rk__labels_read(options, path, stop, take_label, &sink));
    /* The last byte is the empty label of items without one. */
    RK_TRY_GOTO(done,
                rk__alloc(&labels, n * (int64_t)sizeof *labels + sink.length + 1, 1, "labels"));
    char *bytes = (char *)(labels + n);
    if (sink.length > 0) {
        memcpy(bytes, sink.bytes, (size_t)sink.length);
    }
    bytes[sink.length] = '\0';
    for (int64_t item = 0; item < n; item++) {
        labels[item] = bytes + (sink.starts[item] < 0 ? sink.length : sink.starts[item]);
    }
    dataset->labels = labels;
done:
    rk__free(path);
    rk__free(sink.starts);
    rk__free(sink.bytes);
    return status;
}
