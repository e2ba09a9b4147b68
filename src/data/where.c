#include "data/where.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/moment.h"
#include "base/parse.h"
#include "config/utf8.h"

enum { MOST_NESTED = 100, MOST_NODES = 1000 };

/* In the order of rk_where_op; two characters before one, so that ">=" is not read as ">". */
static const char *const operators[] = {">=", "<=", "==", "!=", ">", "<"};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

/* ---- reading ---- */

typedef struct parser {
    rk_where *where;
    const char *text; /* the whole, for messages */
    const char *at;
    int depth;
} parser;

static void skip_blanks(parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
}

/* Whether this word, in any case, stands at `at`, and not only the beginning of another one. */
static bool is_word(const char *at, const char *word)
{
    size_t length = strlen(word);
    return strncasecmp(at, word, length) == 0 && strchr(" \t\r\n()[", at[length]);
}

static bool take_word(parser *p, const char *word)
{
    skip_blanks(p);
    if (!is_word(p->at, word)) {
        return false;
    }
    p->at += strlen(word);
    return true;
}

static rk_status no_operator(const parser *p)
{
    RK_FAIL(RK_ERR_CONFIG,
            "where '%s' has no operator; write COLUMN OP VALUE, e.g. \"rating >= 4\", OP one of >= "
            "<= > < == !=, or COLUMN in [VALUE, ...], joined by and, or, not",
            p->text);
}

/* A text in quotes at p->at; the quote itself is written twice in it. */
static rk_status take_quoted(parser *p, char **out)
{
    const char quote = *p->at, *from = p->at + 1;
    char *text = NULL;
    RK_TRY(rk__strdup(&text, from));
    size_t n = 0;
    for (; *from && (*from != quote || from[1] == quote); from++) {
        from += *from == quote;
        text[n++] = *from;
    }
    text[n] = '\0';
    if (*from != quote) {
        rk__free(text);
        RK_FAIL(RK_ERR_CONFIG, "where '%s': the quote before '%s' is never closed", p->text,
                p->at + 1);
    }
    p->at = from + 1;
    *out = text;
    return RK_OK;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static size_t trimmed_length(const char *text, size_t length)
{
    while (length > 0 && strchr(" \t\r\n", text[length - 1])) {
        length--;
    }
    return length;
}

/* "in" or "not in" and a bracket. */
static bool begins_list(const char *at, bool *out_not)
{
    *out_not = is_word(at, "not");
    at += *out_not ? 3 : 0;
    at += strspn(at, " \t\r\n");
    if (!is_word(at, "in")) {
        return false;
    }
    at += 2;
    return at[strspn(at, " \t\r\n")] == '[';
}

/* The name of a column: quoted, or everything before an operator. */
static rk_status take_column(parser *p, char **out)
{
    bool is_not;
    skip_blanks(p);
    if (is_quote(*p->at)) {
        return take_quoted(p, out);
    }
    const char *begin = p->at;
    if (is_word(begin, "and") || is_word(begin, "or")) {
        return no_operator(p);
    }
    for (bool is_start = false; *p->at && !strchr("<>=!)[", *p->at); p->at++) {
        if (is_start && begins_list(p->at, &is_not)) {
            break;
        }
        is_start = strchr(" \t\r\n", *p->at) != NULL;
    }
    size_t length = trimmed_length(begin, (size_t)(p->at - begin));
    if (!*p->at || *p->at == ')') {
        return no_operator(p);
    }
    if (length == 0) {
        RK_FAIL(RK_ERR_CONFIG, "where '%s' names no column; write e.g. \"rating >= 4\"", p->text);
    }
    return rk__strndup(out, begin, length);
}

/* A value: quoted, or everything up to what may follow one. */
static rk_status take_value(parser *p, bool in_list, rk_where_value *out)
{
    skip_blanks(p);
    if (is_quote(*p->at)) {
        out->is_quoted = true;
        return take_quoted(p, &out->text);
    }
    const char *begin = p->at;
    for (bool is_start = true; *p->at && *p->at != ')' && *p->at != ']'; p->at++) {
        bool is_joined = is_start && (is_word(p->at, "and") || is_word(p->at, "or"));
        if ((in_list && *p->at == ',') || (!in_list && is_joined)) {
            break;
        }
        is_start = strchr(" \t\r\n", *p->at) != NULL;
    }
    size_t length = trimmed_length(begin, (size_t)(p->at - begin));
    RK_TRY(rk__strndup(&out->text, begin, length));
    if (strpbrk(out->text, "<>=[\"`") || strstr(out->text, "&&") || strstr(out->text, "||")) {
        RK_FAIL(RK_ERR_CONFIG,
                "where '%s': put '%s' into quotes if it is a value; conditions are joined by and, "
                "or, not",
                p->text, out->text);
    }
    return RK_OK;
}

static rk_status add_value(parser *p, bool in_list)
{
    rk_where *w = p->where;
    RK_TRY(rk__realloc(&w->values, w->n_values, w->n_values + 1, sizeof *w->values, "a filter"));
    w->values[w->n_values] = (rk_where_value){0};
    return take_value(p, in_list, &w->values[w->n_values++]);
}

static rk_status add_node(parser *p, rk_where_node node, int *out)
{
    rk_where *w = p->where;
    if (w->n_nodes == MOST_NODES) {
        RK_FAIL(RK_ERR_CONFIG, "where has more than %d conditions", MOST_NODES);
    }
    RK_TRY(rk__realloc(&w->nodes, w->n_nodes, w->n_nodes + 1, sizeof *w->nodes, "a filter"));
    w->nodes[w->n_nodes] = node;
    *out = w->n_nodes++;
    return RK_OK;
}

/* Takes the name over. */
static rk_status add_column(parser *p, char *name, int *out)
{
    rk_where *w = p->where;
    for (*out = 0; *out < w->n_columns; ++*out) {
        if (strcmp(w->columns[*out], name) == 0) {
            rk__free(name);
            return RK_OK;
        }
    }
    rk_status status =
        rk__realloc(&w->columns, w->n_columns, w->n_columns + 1, sizeof *w->columns, "a filter");
    if (status != RK_OK) {
        rk__free(name);
        return status;
    }
    w->columns[w->n_columns++] = name;
    return RK_OK;
}

static bool is_number(rk_where_value *value)
{
    return !value->is_quoted &&
           rk__parse_real(value->text, strlen(value->text), &value->number) == RK_PARSE_OK;
}

static bool is_moment(rk_where_value *value)
{
    return rk__parse_moment(value->text, strlen(value->text), &value->number) == RK_PARSE_OK;
}

/* How a comparison with these values is done: numbers only if all are. */
static rk_status choose_kind(const parser *p, rk_where_node *node)
{
    rk_where_value *values = p->where->values + node->first;
    bool is_ordered =
        node->op != RK_WHERE_EQUAL && node->op != RK_WHERE_NOT_EQUAL && node->op != RK_WHERE_IN;
    node->as = RK_WHERE_NUMBER;
    for (int i = 0; i < node->n_values; i++) {
        if (values[i].text[0] == '\0' && !values[i].is_quoted) {
            RK_FAIL(RK_ERR_CONFIG,
                    "where '%s': a value is missing, and '' is not a number; write e.g. \"rating "
                    ">= 4\"",
                    p->text);
        }
        if (!is_number(&values[i])) {
            node->as = RK_WHERE_TEXT;
        }
    }
    if (is_ordered && node->as == RK_WHERE_TEXT) {
        if (!is_moment(&values[0])) {
            double number = 0;
            const char *text = values[0].text;
            bool has_comma = rk__parse_real_comma(text, strlen(text), &number) == RK_PARSE_OK;
            RK_FAIL(RK_ERR_CONFIG,
                    "where '%s': '%s' is not a number or a date, and words are compared by == and "
                    "!= only%s",
                    p->text, text, has_comma ? "; here numbers have a point: 1.5" : "");
        }
        node->as = RK_WHERE_TIME;
    }
    return RK_OK;
}

static rk_status take_list(parser *p, rk_where_node *node)
{
    p->at += strspn(p->at, " \t\r\n") + 2; /* "in" */
    p->at += strspn(p->at, " \t\r\n") + 1; /* the bracket */
    node->op = RK_WHERE_IN;
    for (;;) {
        RK_TRY(add_value(p, true));
        node->n_values++;
        skip_blanks(p);
        if (*p->at == ']') {
            p->at++;
            return RK_OK;
        }
        if (*p->at != ',') {
            RK_FAIL(RK_ERR_CONFIG,
                    "where '%s': the list is not closed; write e.g. \"event in "
                    "[buy, cart]\"",
                    p->text);
        }
        p->at++;
    }
}

static rk_status take_comparison(parser *p, int *out)
{
    char *name = NULL;
    bool is_not = false;
    rk_where_node node = {.first = p->where->n_values};
    RK_TRY(take_column(p, &name));
    RK_TRY(add_column(p, name, &node.column));
    skip_blanks(p);
    if (begins_list(p->at, &is_not)) {
        p->at += is_not ? 3 : 0;
        RK_TRY(take_list(p, &node));
    } else {
        int op = 0;
        while (op < OPERATORS && strncmp(p->at, operators[op], strlen(operators[op])) != 0) {
            op++;
        }
        if (op == OPERATORS) {
            return no_operator(p);
        }
        p->at += strlen(operators[op]);
        node.op = (rk_where_op)op;
        node.n_values = 1;
        RK_TRY(add_value(p, false));
    }
    RK_TRY(choose_kind(p, &node));
    RK_TRY(add_node(p, node, out));
    return is_not ? add_node(p, (rk_where_node){.op = RK_WHERE_NOT, .left = *out}, out) : RK_OK;
}

static rk_status take_any(parser *p, int *out);

/* not ..., ( ... ) or a comparison. */
static rk_status take_term(parser *p, int *out)
{
    if (++p->depth > MOST_NESTED) {
        RK_FAIL(RK_ERR_CONFIG, "where has conditions nested deeper than %d", MOST_NESTED);
    }
    if (take_word(p, "not")) {
        RK_TRY(take_term(p, out));
        RK_TRY(add_node(p, (rk_where_node){.op = RK_WHERE_NOT, .left = *out}, out));
    } else if (*p->at == '(') {
        p->at++;
        RK_TRY(take_any(p, out));
        skip_blanks(p);
        if (*p->at != ')') {
            RK_FAIL(RK_ERR_CONFIG, "where '%s': a parenthesis is not closed before '%s'", p->text,
                    p->at);
        }
        p->at++;
    } else {
        RK_TRY(take_comparison(p, out));
    }
    p->depth--;
    return RK_OK;
}

static rk_status take_all(parser *p, int *out)
{
    RK_TRY(take_term(p, out));
    while (take_word(p, "and")) {
        rk_where_node node = {.op = RK_WHERE_AND, .left = *out};
        RK_TRY(take_term(p, &node.right));
        RK_TRY(add_node(p, node, out));
    }
    return RK_OK;
}

static rk_status take_any(parser *p, int *out)
{
    RK_TRY(take_all(p, out));
    while (take_word(p, "or")) {
        rk_where_node node = {.op = RK_WHERE_OR, .left = *out};
        RK_TRY(take_all(p, &node.right));
        RK_TRY(add_node(p, node, out));
    }
    return RK_OK;
}

rk_status rk__where_parse(rk_where *where, const char *text)
{
    *where = (rk_where){.root = -1};
    parser p = {.where = where, .text = text, .at = text};
    skip_blanks(&p);
    if (!*p.at) {
        return RK_OK;
    }
    rk_status status = take_any(&p, &where->root);
    if (status == RK_OK) {
        skip_blanks(&p);
        if (*p.at) {
            status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                              "where '%s': '%s' does not belong there; conditions are joined by "
                              "and, or, not",
                              text, p.at);
        }
    }
    if (status != RK_OK) {
        rk__where_free(where);
    }
    return status;
}

rk_status rk__where_bind(rk_where *where, rk_table *table)
{
    RK_TRY(rk__alloc(&where->places, where->n_columns, sizeof *where->places, "a filter"));
    for (int i = 0; i < where->n_columns; i++) {
        RK_TRY(rk__table_want(table, where->columns[i], "the column of source.where",
                              &where->places[i]));
    }
    return RK_OK;
}

void rk__where_free(rk_where *where)
{
    for (int i = 0; i < where->n_columns; i++) {
        rk__free(where->columns[i]);
    }
    for (int i = 0; i < where->n_values; i++) {
        rk__free(where->values[i].text);
    }
    rk__free(where->columns);
    rk__free(where->places);
    rk__free(where->nodes);
    rk__free(where->values);
    *where = (rk_where){.root = -1};
}

/* ---- testing ---- */

static bool compares(rk_where_op op, double value, double number)
{
    switch (op) {
    case RK_WHERE_GREATER_EQUAL:
        return value >= number;
    case RK_WHERE_LESS_EQUAL:
        return value <= number;
    case RK_WHERE_NOT_EQUAL:
        return value != number;
    case RK_WHERE_GREATER:
        return value > number;
    case RK_WHERE_LESS:
        return value < number;
    default:
        break;
    }
    return value == number;
}

/* A date, or a number that is one by its size. */
static rk_status read_time(const rk_table *table, int place, double *out)
{
    rk_text text = rk__trimmed(table->fields[place]);
    if (rk__parse_moment(text.at, (size_t)text.length, out) == RK_PARSE_OK) {
        return RK_OK;
    }
    if (rk__table_parse(table, text, out) == RK_PARSE_OK) {
        if (!rk__compact_moment(*out, out)) {
            *out /= rk__moment_divisor(*out < 0 ? -*out : *out);
        }
        return RK_OK;
    }
    RK_FAIL_AT(&table->lines, table->fields[place].at, "%s '%s' is not a date, which where needs",
               table->titles[place], rk__shown(text).text);
}

static rk_status test_comparison(const rk_where *where, const rk_where_node *node,
                                 const rk_table *table, bool *out)
{
    const rk_where_value *values = where->values + node->first;
    int place = where->places[node->column];
    *out = false;
    if (node->as == RK_WHERE_TEXT) {
        rk_text text = rk__trimmed(table->fields[place]);
        if (!rk__utf8_is_valid(text.at, (size_t)text.length)) {
            RK_FAIL_AT(
                &table->lines, text.at,
                "%s '%s' is not UTF-8, so where cannot compare it; if the file is in Latin-1, "
                "set encoding to latin-1",
                table->titles[place], rk__shown(text).text);
        }
        for (int i = 0; i < node->n_values && !*out; i++) {
            *out = (int64_t)strlen(values[i].text) == text.length &&
                   memcmp(values[i].text, text.at, (size_t)text.length) == 0;
        }
        *out = *out == (node->op != RK_WHERE_NOT_EQUAL);
        return RK_OK;
    }
    double value = 0;
    if (node->as == RK_WHERE_TIME) {
        RK_TRY(read_time(table, place, &value));
    } else {
        RK_TRY(rk__table_real(table, place, "where", &value));
    }
    for (int i = 0; i < node->n_values && !*out; i++) {
        *out = compares(node->op, value, values[i].number);
    }
    return RK_OK;
}

/* No deeper than there are nodes. */
static rk_status test_node(const rk_where *where, int index, const rk_table *table, bool *out)
{
    const rk_where_node *node = &where->nodes[index];
    switch (node->op) {
    case RK_WHERE_AND:
    case RK_WHERE_OR:
        RK_TRY(test_node(where, node->left, table, out));
        if (*out == (node->op == RK_WHERE_AND)) {
            RK_TRY(test_node(where, node->right, table, out));
        }
        return RK_OK;
    case RK_WHERE_NOT:
        RK_TRY(test_node(where, node->left, table, out));
        *out = !*out;
        return RK_OK;
    default:
        return test_comparison(where, node, table, out);
    }
}

rk_status rk__where_test(const rk_where *where, const rk_table *table, bool *out)
{
    return test_node(where, where->root, table, out);
}
