#include "config/yaml.h"

#include <string.h>

#include "base/alloc.h"

/* libyaml's time grows with the square of both; a config needs 4 and a few. */
enum { DEEPEST = 16, MOST_ANCHORS = 1000 };

typedef struct census {
    int depth, documents, anchors; /* so far */
} census;

static rk_status check_text(const char *place, const char *text, int64_t length)
{
    if (length > RK_LONGEST_YAML) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %lld bytes are too long for a config (%d at most)", place,
                (long long)length, RK_LONGEST_YAML);
    }
    int64_t line = 1;
    for (int64_t i = 0; i < length;) {
        size_t n = rk__utf8_length(text + i, (size_t)(length - i));
        if (n == 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s:%lld: not UTF-8 (byte 0x%02x): save the file as UTF-8",
                    place, (long long)line, (unsigned)(unsigned char)text[i]);
        }
        if (text[i] == '\0') {
            RK_FAIL(RK_ERR_CONFIG, "%s:%lld: a zero byte: this is not a text file", place,
                    (long long)line);
        }
        line += text[i] == '\n';
        i += (int64_t)n;
    }
    return RK_OK;
}

/* Does the line's indentation have a tab? Line from 0. */
static bool has_tab_indent(const char *text, int64_t length, size_t line)
{
    const char *at = text, *end = text + length;
    for (; line > 0 && at < end; at++) {
        line -= *at == '\n';
    }
    for (; at < end && (*at == ' ' || *at == '\t'); at++) {
        if (*at == '\t') {
            return true;
        }
    }
    return false;
}

static rk_status parser_failed(const yaml_parser_t *parser, const char *place, bool has_lines,
                               const char *text, int64_t length)
{
    const char *problem = parser->problem ? parser->problem : "not YAML";
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_MEMORY_ERROR) {
        RK_FAIL(RK_ERR_MEMORY, "out of memory while reading %s", place);
    }
    if (parser->error == YAML_READER_ERROR) {
        mark = (yaml_mark_t){0};
        for (size_t i = 0; i < parser->problem_offset && i < (size_t)length; i++) {
            mark.line += text[i] == '\n';
            mark.column = text[i] == '\n' ? 0 : mark.column + 1;
        }
    }
    if (!has_lines) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the value is not YAML: %s", place, problem);
    }
    if (has_tab_indent(text, length, mark.line)) {
        RK_FAIL(RK_ERR_CONFIG, "%s:%zu:%zu: a tab in the indentation: YAML wants spaces", place,
                mark.line + 1, mark.column + 1);
    }
    if (parser->context && parser->error != YAML_READER_ERROR) {
        RK_FAIL(RK_ERR_CONFIG, "%s:%zu:%zu: not YAML: %s %s that began in line %zu", place,
                mark.line + 1, mark.column + 1, problem, parser->context,
                parser->context_mark.line + 1);
    }
    RK_FAIL(RK_ERR_CONFIG, "%s:%zu:%zu: not YAML: %s", place, mark.line + 1, mark.column + 1,
            problem);
}

static rk_status open_parser(yaml_parser_t *parser, const char *place, const char *text,
                             int64_t length)
{
    if (!yaml_parser_initialize(parser)) {
        RK_FAIL(RK_ERR_MEMORY, "out of memory while reading %s", place);
    }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, (size_t)length);
    return RK_OK;
}

/* What no config has. Explicit tags could change what a value means, and nothing here would heed
 * them. */
static rk_status check_event(const yaml_event_t *event, const char *place, census *seen)
{
    long long line = (long long)event->start_mark.line + 1;
    const unsigned char *tag = NULL, *anchor = NULL;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        seen->documents++;
        break;
    case YAML_SEQUENCE_START_EVENT:
        tag = event->data.sequence_start.tag;
        anchor = event->data.sequence_start.anchor;
        seen->depth++;
        break;
    case YAML_MAPPING_START_EVENT:
        tag = event->data.mapping_start.tag;
        anchor = event->data.mapping_start.anchor;
        seen->depth++;
        break;
    case YAML_SCALAR_EVENT:
        tag = event->data.scalar.tag;
        anchor = event->data.scalar.anchor;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        seen->depth--;
        break;
    default:
        break;
    }
    seen->anchors += anchor != NULL;
    if (seen->documents > 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s:%lld: a second document begins here; a config is one document",
                place, line);
    }
    if (seen->depth > DEEPEST) {
        RK_FAIL(RK_ERR_CONFIG, "%s:%lld: more than %d lists and maps inside one another", place,
                line, DEEPEST);
    }
    if (seen->anchors > MOST_ANCHORS) {
        RK_FAIL(RK_ERR_CONFIG, "%s:%lld: more than %d anchors", place, line, MOST_ANCHORS);
    }
    if (tag) {
        RK_FAIL(RK_ERR_CONFIG, "%s:%lld: remove the tag %s: configs have none", place, line,
                rk__excerpt((const char *)tag, strlen((const char *)tag)).text);
    }
    return RK_OK;
}

/* Once over the events, before a tree is built: syntax, and what no config has. It stops at
 * DEEPEST, because libyaml's time grows with the square of the depth. */
static rk_status check_events(const char *place, bool has_lines, const char *text, int64_t length)
{
    rk_status status = RK_OK;
    yaml_parser_t parser;
    census seen = {0};
    bool is_end = false;
    RK_TRY(open_parser(&parser, place, text, length));
    while (status == RK_OK && !is_end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = parser_failed(&parser, place, has_lines, text, length);
            break;
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        status = check_event(&event, place, &seen);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

rk_status rk__yaml_parse(rk_yaml *out, const char *place, bool has_lines, const char *text,
                         int64_t length)
{
    rk_status status = RK_OK;
    yaml_parser_t parser;
    *out = (rk_yaml){0};
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
        text += 3;
        length -= 3;
    }
    RK_TRY(check_text(place, text, length));
    RK_TRY(check_events(place, has_lines, text, length));
    RK_TRY(open_parser(&parser, place, text, length));
    if (yaml_parser_load(&parser, &out->document)) {
        out->is_open = true;
    } else {
        status = parser_failed(&parser, place, has_lines, text, length);
    }
    yaml_parser_delete(&parser);
    return status;
}

void rk__yaml_free(rk_yaml *yaml)
{
    if (yaml->is_open) {
        yaml_document_delete(&yaml->document);
        yaml->is_open = false;
    }
}

const yaml_node_t *rk__yaml_root(rk_yaml *yaml)
{
    return yaml_document_get_root_node(&yaml->document);
}

const yaml_node_t *rk__yaml_node(rk_yaml *yaml, int number)
{
    return yaml_document_get_node(&yaml->document, number);
}

rk_scalar rk__yaml_scalar(const yaml_node_t *node)
{
    return (rk_scalar){.at = (const char *)node->data.scalar.value,
                       .length = node->data.scalar.length,
                       .quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE};
}

bool rk__yaml_is_nothing(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp((const char *)node->data.scalar.value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

int64_t rk__yaml_line(const yaml_node_t *node)
{
    return (int64_t)node->start_mark.line + 1;
}

rk_status rk__yaml_raw(rk_yaml *yaml, const yaml_node_t *node, const char *place, const char *name,
                       rk_raw *out, rk_scalar **out_items)
{
    *out = (rk_raw){.kind = RK_RAW_MAP};
    *out_items = NULL;
    if (rk__yaml_is_nothing(node)) {
        out->kind = RK_RAW_NOTHING;
    } else if (node->type == YAML_SCALAR_NODE) {
        out->kind = RK_RAW_SCALAR;
        out->one = rk__yaml_scalar(node);
    } else if (node->type == YAML_SEQUENCE_NODE) {
        const yaml_node_item_t *items = node->data.sequence.items.start;
        int64_t n = node->data.sequence.items.top - items;
        rk_scalar *scalars = NULL;
        RK_TRY(rk__alloc(&scalars, n, sizeof *scalars, "a list"));
        for (int64_t i = 0; i < n; i++) {
            const yaml_node_t *item = rk__yaml_node(yaml, items[i]);
            if (item->type != YAML_SCALAR_NODE || rk__yaml_is_nothing(item)) {
                rk__free(scalars);
                RK_FAIL(RK_ERR_CONFIG, "%s: element %lld of %s is %s, not a value", place,
                        (long long)i + 1, name,
                        item->type == YAML_SCALAR_NODE     ? "empty"
                        : item->type == YAML_SEQUENCE_NODE ? "a list"
                                                           : "a map");
            }
            scalars[i] = rk__yaml_scalar(item);
        }
        *out = (rk_raw){.kind = RK_RAW_LIST, .items = scalars, .n = n};
        *out_items = scalars;
    }
    return RK_OK;
}
