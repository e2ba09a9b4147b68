#include "data/where.h"

#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"

/* In the order of rk_where_op; two characters before one, so that ">=" is not read as ">". */
static const char *const operators[] = {">=", "<=", "==", "!=", ">", "<"};

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static size_t trimmed_length(const char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    return length;
}

rk_status rk__where_parse(rk_where *where, const char *text)
{
    *where = (rk_where){0};
    text = skip_blanks(text);
    if (!*text) {
        return RK_OK;
    }
    const char *at = strpbrk(text, "<>=!");
    size_t op = 0, n_ops = sizeof operators / sizeof operators[0];
    while (at && op < n_ops && strncmp(at, operators[op], strlen(operators[op])) != 0) {
        op++;
    }
    if (!at || op == n_ops) {
        RK_FAIL(RK_ERR_CONFIG,
                "where '%s' has no operator; write COLUMN OP NUMBER, e.g. \"rating >= 4\", "
                "OP one of >= <= > < == !=",
                text);
    }
    size_t length = trimmed_length(text, (size_t)(at - text));
    if (length == 0) {
        RK_FAIL(RK_ERR_CONFIG, "where '%s' names no column; write e.g. \"rating >= 4\"", text);
    }
    const char *number = skip_blanks(at + strlen(operators[op]));
    if (rk__parse_real(number, trimmed_length(number, strlen(number)), &where->number) !=
        RK_PARSE_OK) {
        RK_FAIL(RK_ERR_CONFIG, "where '%s': '%s' is not a number; write e.g. \"rating >= 4\"", text,
                number);
    }
    where->op = (rk_where_op)op;
    return rk__strndup(&where->column, text, length);
}

void rk__where_free(rk_where *where)
{
    rk__free(where->column);
    *where = (rk_where){0};
}
