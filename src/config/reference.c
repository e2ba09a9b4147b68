/*
 * The table of options for people: docs/options.md, and the text of `rankine help options`.
 */
#include <string.h>

#include "config/schema.h"

enum { TEXT_WIDTH = 96, TEXT_INDENT = 8 };

/* A piece of a Markdown table's cell: '|' would end the cell. */
static void add_cell(rk_buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        rk__buffer_add(out, *text == '|' || *text == '<' || *text == '*' ? "\\%c" : "%c", *text);
    }
}

/* "1000000000" is hard to read: 1,000,000,000; the largest integer has a name of its own. */
static void add_bound(rk_buffer *out, const char *text)
{
    size_t length = strlen(text);
    if (strcmp(text, "9223372036854775807") == 0) {
        rk__buffer_add(out, "2^63 - 1");
        return;
    }
    if (length < 5 || strspn(text, "0123456789") != length) {
        rk__buffer_add(out, "%s", text);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        rk__buffer_add(out, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", text[i]);
    }
}

static void add_type(rk_buffer *out, const rk_option *row, bool markdown)
{
    const char *quote = markdown ? "`" : "";
    switch (row->type) {
    case RK_TYPE_BOOL:
        rk__buffer_add(out, "%strue%s or %sfalse%s", quote, quote, quote, quote);
        break;
    case RK_TYPE_SIZE:
        rk__buffer_add(out, "size, %s to %s, or 0", row->minimum, row->maximum);
        break;
    case RK_TYPE_STRING:
        rk__buffer_add(out, "text");
        break;
    case RK_TYPE_PATH:
        rk__buffer_add(out, "folder");
        break;
    case RK_TYPE_PATHS:
        rk__buffer_add(out, "list of folders");
        break;
    case RK_TYPE_CHOICE:
    case RK_TYPE_CHOICES:
        rk__buffer_add(out, row->type == RK_TYPE_CHOICES ? "list of any of " : "");
        for (const char *choice = row->minimum; choice; choice = rk__choice_next(choice)) {
            rk__buffer_add(out, "%s%s%s%s", choice == row->minimum ? "" : ", ", quote, choice,
                           quote);
        }
        break;
    case RK_TYPE_INT:
    case RK_TYPE_INTS:
    case RK_TYPE_REALS:
    case RK_TYPE_REAL:
        rk__buffer_add(out, row->type == RK_TYPE_INT     ? "integer, "
                            : row->type == RK_TYPE_INTS  ? "list of integers, "
                            : row->type == RK_TYPE_REALS ? "list of numbers, "
                                                         : "number, ");
        add_bound(out, row->minimum);
        rk__buffer_add(out, " to ");
        add_bound(out, row->maximum);
        break;
    }
}

/* "`loss.kind` softmax and `sampling.negatives` in_batch". */
static void add_conditions(rk_buffer *out, const rk_option *row, const char *quote)
{
    const char *rest = row->only_with, *between = "";
    for (rk_condition condition; rk__condition_next(&rest, &condition); between = " and ") {
        rk__buffer_add(out, "%s", between);
        rk__condition_describe(out, &condition, quote);
    }
}

static void add_markdown_row(rk_buffer *out, const rk_option *row, bool with_conditions)
{
    rk__buffer_add(out, "| `%s` | ", row->key);
    if (row->default_text[0] != '\0') {
        rk__buffer_add(out, "`%s`", row->default_text);
    }
    rk__buffer_add(out, " | ");
    add_type(out, row, true);
    rk__buffer_add(out, " | ");
    if (with_conditions) {
        add_conditions(out, row, "`");
        rk__buffer_add(out, " | ");
    }
    add_cell(out, row->help);
    rk__buffer_add(out, " |\n");
}

/* A line broken at blanks; the first one begins at column `first`, the others are indented. */
static void add_wrapped(rk_buffer *out, const char *text, int first)
{
    size_t used = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (used == 0 || used + 1 + word > TEXT_WIDTH) {
            int indent = used == 0 ? first : TEXT_INDENT;
            rk__buffer_add(out, "%s%*s", used > 0 ? "\n" : "", indent, "");
            used = (size_t)indent;
        } else {
            rk__buffer_add(out, " ");
            used++;
        }
        rk__buffer_add_bytes(out, text, (int64_t)word);
        used += word;
        text += word + strspn(text + word, " ");
    }
    rk__buffer_add(out, "\n");
}

static void add_text_row(rk_buffer *out, const rk_option *row, const char *section)
{
    rk_buffer head = {0};
    rk__buffer_add(&head, "%s.%s: ", section, row->key);
    add_type(&head, row, false);
    if (row->default_text[0] != '\0') {
        rk__buffer_add(&head, "; default %s", row->default_text);
    }
    if (row->only_with[0] != '\0') {
        rk__buffer_add(&head, "; only with ");
        add_conditions(&head, row, "");
    }
    if (head.status != RK_OK) {
        out->status = head.status;
    } else {
        add_wrapped(out, head.at, TEXT_INDENT / 2);
        add_wrapped(out, row->help, TEXT_INDENT);
    }
    rk__buffer_free(&head);
}

/* The rows of one section or of a list. */
static void add_section(rk_buffer *out, const char *section, const char *title, bool markdown)
{
    const rk_option *rows[RK_MOST_KEYS];
    int n = rk__section_rows(section, rows);
    const rk_option_list *list = rk__list_of(section);
    bool with_conditions = rows[n - 1]->only_with[0] != '\0'; /* those rows are the last ones */
    rk_buffer shown = {0};
    if (list) {
        rk__list_describe(&shown, list, markdown ? "" : "[N]");
    } else {
        rk__buffer_add(&shown, "%s", section);
    }
    if (shown.status != RK_OK) {
        out->status = shown.status;
        rk__buffer_free(&shown);
        return;
    }
    if (markdown) {
        rk__buffer_add(out, "\n## %s: %s\n\n| key | default | values | %smeaning |\n", shown.at,
                       title, with_conditions ? "only with | " : "");
        rk__buffer_add(out, "|---|---|---|%s---|\n", with_conditions ? "---|" : "");
    } else {
        rk__buffer_add(out, "\n%s: %s\n", shown.at, title);
    }
    for (int i = 0; i < n; i++) {
        if (markdown) {
            add_markdown_row(out, rows[i], with_conditions);
        } else {
            add_text_row(out, rows[i], shown.at);
        }
    }
    rk__buffer_free(&shown);
}

/* The lists of the section "data", behind each those of its elements. */
static void add_lists(rk_buffer *out, const char *parent, bool markdown)
{
    int64_t n = 0;
    const rk_option_list *lists = rk__option_lists(&n);
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(lists[i].parent, parent) == 0) {
            add_section(out, lists[i].name, lists[i].title, markdown);
            add_lists(out, lists[i].name, markdown);
        }
    }
}

static const char markdown_intro[] =
    "# Options\n"
    "\n"
    "Every key of a config file. `rankine help options` prints the same, `--print-config` shows "
    "the\n"
    "values of a run and where each came from. This page is made from the table in\n"
    "`src/config/options.def` (`cmake --build BUILD --target docs`); do not edit it.\n"
    "\n"
    "A config is YAML: sections with keys below them. What it does not name has its default, and\n"
    "what is not in these tables is an error. So is a value other than the default where nothing\n"
    "looks at it: \"only with\" says what the other options must be.\n"
    "\n"
    "```yaml\n"
    "data:\n"
    "    sources:\n"
    "        - file: ratings.csv\n"
    "          where: rating >= 4\n"
    "split:\n"
    "    kind: leave_one_out\n"
    "train:\n"
    "    epochs: 20\n"
    "```\n"
    "\n"
    "On the command line `--set SECTION.KEY=VALUE` goes over the file: `--set train.epochs=5`,\n"
    "`--set eval.k=10,20`, `--set data.sources[0].file=ratings.csv` (an index one past the last\n"
    "source adds one; the other lists of maps likewise). `--data DIR` is short for `--set "
    "data.root=DIR`.\n"
    "\n"
    "Where folders start: `data.root` and `data.cache` in a file start at the folder of that "
    "file,\n"
    "on the command line at the current folder. Files of sources and labels start at "
    "`data.root`.\n";

rk_status rk_config_reference(bool markdown, char **out_text)
{
    rk_buffer out = {0};
    int64_t n = 0;
    const rk_option_section *sections = rk__option_sections(&n);
    rk__buffer_add(&out, "%s", markdown ? markdown_intro : "");
    for (int64_t i = 0; i < n; i++) {
        add_section(&out, sections[i].name, sections[i].title, markdown);
        if (strcmp(sections[i].name, "data") == 0) {
            add_lists(&out, "", markdown);
        }
    }
    return rk__buffer_take(&out, out_text);
}
