/*
 * Reads report.json into a flat list of (path, value). JSON is a subset of YAML as far as a report
 * uses it, so libyaml's events do; only this library writes the file.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parse.h"
#include "rankine/report.h"

enum { MAX_DEPTH = 16, MAX_PATH = 512 };

typedef struct entry {
    char *path, *value; /* owned */
} entry;

struct rk_report {
    entry *entries; /* owned */
    int64_t n, capacity;
};

/* Where the walk through the document is. */
typedef struct level {
    size_t length; /* of the path that leads here */
    bool is_list;
    int64_t next;   /* index of the next element of a list */
    bool after_key; /* in a mapping: the next value belongs to the key at the path's end */
} level;

typedef struct walk {
    rk_report *report;
    char path[MAX_PATH];
    level levels[MAX_DEPTH];
    int depth; /* 0 = outside the document */
} walk;

static rk_status add(rk_report *report, const char *path, const char *value)
{
    if (report->n == report->capacity) {
        int64_t capacity = report->capacity > 0 ? 2 * report->capacity : 64;
        RK_TRY(rk__realloc(&report->entries, report->n, capacity, sizeof *report->entries,
                           "entries of a report"));
        report->capacity = capacity;
    }
    entry *e = &report->entries[report->n];
    *e = (entry){NULL, NULL};
    report->n++;
    RK_TRY(rk__strdup(&e->path, path));
    return rk__strdup(&e->value, value);
}

static rk_status append_path(walk *w, const char *part)
{
    const level *top = &w->levels[w->depth];
    int length = snprintf(w->path + top->length, MAX_PATH - top->length, "%s%s",
                          top->length > 0 ? "." : "", part);
    if (length < 0 || (size_t)length >= MAX_PATH - top->length) {
        RK_FAIL(RK_ERR_DATA, "a path of keys is longer than %d", MAX_PATH);
    }
    return RK_OK;
}

/* A value comes: its path is that of the level and, in a list, the index. */
static rk_status begin_value(walk *w)
{
    level *top = &w->levels[w->depth];
    if (w->depth > 0 && top->is_list) {
        char index[32];
        snprintf(index, sizeof index, "%lld", (long long)top->next++);
        return append_path(w, index);
    }
    top->after_key = false;
    return RK_OK;
}

static rk_status enter(walk *w, bool is_list)
{
    RK_TRY(begin_value(w));
    if (w->depth + 1 >= MAX_DEPTH) {
        RK_FAIL(RK_ERR_DATA, "nested deeper than %d", MAX_DEPTH);
    }
    w->levels[++w->depth] = (level){.length = strlen(w->path), .is_list = is_list};
    return RK_OK;
}

static rk_status take_scalar(walk *w, const char *text)
{
    level *top = &w->levels[w->depth];
    if (w->depth == 0) {
        RK_FAIL(RK_ERR_DATA, "not an object");
    }
    if (!top->is_list && !top->after_key) {
        top->after_key = true;
        return append_path(w, text);
    }
    RK_TRY(begin_value(w));
    return add(w->report, w->path, text);
}

static rk_status take_event(walk *w, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(w, (const char *)event->data.scalar.value);
    case YAML_MAPPING_START_EVENT:
        return enter(w, false);
    case YAML_SEQUENCE_START_EVENT:
        return enter(w, true);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        w->depth--;
        w->path[w->levels[w->depth].length] = '\0';
        return RK_OK;
    default:
        return RK_OK;
    }
}

static rk_status parse(rk_report *report, FILE *file)
{
    rk_status status = RK_OK;
    walk w = {.report = report};
    yaml_parser_t parser;
    bool end = false;
    if (!yaml_parser_initialize(&parser)) {
        RK_FAIL(RK_ERR_MEMORY, "out of memory for a YAML parser");
    }
    yaml_parser_set_input_file(&parser, file);
    while (!end && status == RK_OK) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            RK_FAIL_GOTO(done, RK_ERR_DATA, "line %zu: %s", parser.problem_mark.line + 1,
                         parser.problem ? parser.problem : "not JSON");
        }
        end = event.type == YAML_STREAM_END_EVENT;
        status = take_event(&w, &event);
        yaml_event_delete(&event);
    }
    if (status == RK_OK && report->n == 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "empty");
    }
done:
    yaml_parser_delete(&parser);
    return status;
}

rk_status rk_report_open(const char *run_dir, rk_report **out)
{
    rk_status status = RK_OK;
    rk_report *report = NULL;
    char *path = NULL;
    FILE *file = NULL;
    *out = NULL;
    RK_TRY_GOTO(done, rk__format(&path, "%s/report.json", run_dir));
    RK_TRY_GOTO(done, rk__calloc(&report, 1, sizeof *report, "a report"));
    file = fopen(path, "rb");
    if (!file) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s: %s", path, strerror(errno));
    }
    status = parse(report, file);
    if (status != RK_OK) {
        rk__fail_prefix(status, "%s is damaged", path);
        goto done;
    }
    *out = report;
    report = NULL;
done:
    if (file) {
        fclose(file);
    }
    rk_report_free(report);
    rk__free(path);
    return status;
}

void rk_report_free(rk_report *report)
{
    if (!report) {
        return;
    }
    for (int64_t i = 0; i < report->n; i++) {
        rk__free(report->entries[i].path);
        rk__free(report->entries[i].value);
    }
    rk__free(report->entries);
    rk__free(report);
}

int64_t rk_report_count(const rk_report *report)
{
    return report->n;
}

const char *rk_report_path(const rk_report *report, int64_t index)
{
    return index >= 0 && index < report->n ? report->entries[index].path : NULL;
}

const char *rk_report_value(const rk_report *report, int64_t index)
{
    return index >= 0 && index < report->n ? report->entries[index].value : NULL;
}

const char *rk_report_text(const rk_report *report, const char *path)
{
    for (int64_t i = 0; i < report->n; i++) {
        if (strcmp(report->entries[i].path, path) == 0) {
            return report->entries[i].value;
        }
    }
    return NULL;
}

double rk_report_number(const rk_report *report, const char *path)
{
    const char *text = rk_report_text(report, path);
    double value;
    if (text && rk__parse_real(text, strlen(text), &value) == RK_PARSE_OK) {
        return value;
    }
    return (double)NAN;
}
