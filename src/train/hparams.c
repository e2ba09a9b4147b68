#include "train/hparams.h"

#include <time.h>

#include "train/events.h"
#include "train/tfrecord.h"

/* Fields of Summary.Value, SummaryMetadata and TensorProto ... */
enum {
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_TENSOR = 8,
    VALUE_METADATA = 9,
    METADATA_PLUGIN_DATA = 1,
    METADATA_DATA_CLASS = 4,
    DATA_CLASS_TENSOR = 2,
    PLUGIN_NAME = 1,
    PLUGIN_CONTENT = 2,
    TENSOR_DTYPE = 1,
    TENSOR_SHAPE = 2,
    DT_FLOAT = 1,
};

/* ... and of the plugin's messages; the parts of HParamsPluginData first. */
enum {
    DATA_EXPERIMENT = 2,
    DATA_SESSION_START = 3,
    DATA_SESSION_END = 4,
    START_HPARAMS = 1,
    START_GROUP_NAME = 4,
    START_TIME = 5,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2,
    VALUE_NUMBER = 2, /* google.protobuf.Value */
    VALUE_STRING = 3,
    END_STATUS = 1,
    END_TIME = 2,
    EXPERIMENT_TIME = 3,
    EXPERIMENT_HPARAMS = 4,
    EXPERIMENT_METRICS = 5,
    HPARAM_NAME = 1,
    HPARAM_TYPE = 4,
    TYPE_STRING = 1,
    TYPE_FLOAT64 = 3,
    METRIC_NAME = 1,
    METRIC_NAME_TAG = 2,
};

/* One event with a part of HParamsPluginData, in a file of its own. */
static rk_status write_part(const char *folder, const char *tag, int part, rk_buffer *message)
{
    rk_buffer data = {0}, plugin = {0}, metadata = {0}, shape = {0}, tensor = {0}, value = {0},
              summary = {0};
    rk_events events = rk__events_of(folder, 0);
    rk__proto_message(&data, part, message);
    rk__proto_text(&plugin, PLUGIN_NAME, "hparams");
    rk__proto_message(&plugin, PLUGIN_CONTENT, &data);
    rk__proto_message(&metadata, METADATA_PLUGIN_DATA, &plugin);
    rk__proto_int(&metadata, METADATA_DATA_CLASS, DATA_CLASS_TENSOR);
    rk__proto_int(&tensor, TENSOR_DTYPE, DT_FLOAT);
    rk__proto_message(&tensor, TENSOR_SHAPE, &shape);
    rk__proto_text(&value, VALUE_TAG, tag);
    rk__proto_message(&value, VALUE_TENSOR, &tensor);
    rk__proto_message(&value, VALUE_METADATA, &metadata);
    rk__proto_message(&summary, SUMMARY_VALUE, &value);
    rk_status status = rk__events_write_summary(&events, 0, &summary);
    rk__events_close(&events);
    return status;
}

rk_status rk__hparams_write_start(const char *run_folder, const char *group,
                                  const rk_hparam *hparams, int64_t n)
{
    rk_buffer start = {0};
    for (int64_t i = 0; i < n; i++) {
        rk_buffer entry = {0}, value = {0};
        if (hparams[i].text) {
            rk__proto_text(&value, VALUE_STRING, hparams[i].text);
        } else {
            rk__proto_double(&value, VALUE_NUMBER, hparams[i].number);
        }
        rk__proto_text(&entry, ENTRY_KEY, hparams[i].name);
        rk__proto_message(&entry, ENTRY_VALUE, &value);
        rk__proto_message(&start, START_HPARAMS, &entry);
    }
    if (group) {
        rk__proto_text(&start, START_GROUP_NAME, group);
    }
    rk__proto_double(&start, START_TIME, (double)time(NULL));
    return write_part(run_folder, "_hparams_/session_start_info", DATA_SESSION_START, &start);
}

rk_status rk__hparams_write_end(const char *run_folder, rk_hparams_end end)
{
    rk_buffer message = {0};
    rk__proto_int(&message, END_STATUS, end);
    rk__proto_double(&message, END_TIME, (double)time(NULL));
    return write_part(run_folder, "_hparams_/session_end_info", DATA_SESSION_END, &message);
}

rk_status rk__hparams_write_experiment(const char *folder, const rk_hparam *varied, int64_t n,
                                       const char *metric)
{
    rk_buffer experiment = {0}, name = {0}, info = {0};
    rk__proto_double(&experiment, EXPERIMENT_TIME, (double)time(NULL));
    for (int64_t i = 0; i < n; i++) {
        rk_buffer hparam = {0};
        rk__proto_text(&hparam, HPARAM_NAME, varied[i].name);
        rk__proto_int(&hparam, HPARAM_TYPE, varied[i].text ? TYPE_STRING : TYPE_FLOAT64);
        rk__proto_message(&experiment, EXPERIMENT_HPARAMS, &hparam);
    }
    rk__proto_text(&name, METRIC_NAME_TAG, metric);
    rk__proto_message(&info, METRIC_NAME, &name);
    rk__proto_message(&experiment, EXPERIMENT_METRICS, &info);
    return write_part(folder, "_hparams_/experiment", DATA_EXPERIMENT, &experiment);
}
