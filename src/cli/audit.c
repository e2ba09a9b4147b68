/* What a split says of itself (rk_audit): as lines, as JSON, and read back from a report. */
#include <math.h>
#include <string.h>

#include "cli.h"

static double percent(int64_t part, int64_t all)
{
    return all > 0 ? 100 * (double)part / (double)all : 0;
}

void cli_print_audit(FILE *out, const char *part, const rk_audit *a)
{
    fprintf(out, "audit     %s: %s held-out pairs of %s users\n", part, cli_count(a->pairs).s,
            cli_count(a->users).s);
    fprintf(out, "          in train, too: %s\n", cli_count(a->in_train).s);
    if (a->overlap > 0) {
        fprintf(out, "          dropped, as they were in train: %s\n", cli_count(a->overlap).s);
    }
    fprintf(out, "          users without train: %s\n", cli_count(a->cold_users).s);
    fprintf(out, "          items without train: %s, %s (", cli_count(a->cold_items).s,
            a->cold_ranked > 0 ? "ranked like others" : "never ranked");
    if (a->cold_ranked > 0 && a->cold_ranked < a->cold_pairs) {
        fprintf(out, "%s of ", cli_count(a->cold_ranked).s);
    }
    fprintf(out, "%s pairs)\n", cli_count(a->cold_pairs).s);
    if (a->n_relations > 0) {
        fprintf(out, "          in another relation: %s pairs (%.1f %%)\n",
                cli_count(a->in_relations).s, percent(a->in_relations, a->pairs));
    }
    for (int64_t i = 0; i < a->n_relations; i++) {
        fprintf(out, "            %s: %s\n", a->relations[i].name,
                cli_count(a->relations[i].pairs).s);
    }
    if (a->tie_pairs > 0) {
        fprintf(out, "          ties: %.1f %% have the score of another item\n",
                percent(a->tied, a->tie_pairs));
    }
    if (a->tie_pairs > 0 && a->tie_pairs < a->pairs) {
        fprintf(out, "            (of %s pairs that were looked at)\n", cli_count(a->tie_pairs).s);
    }
}

static void number(cli_json *j, const char *key, int64_t value)
{
    cli_json_key(j, key);
    cli_json_int(j, value);
}

/* The counts of an audit, by the names that report.json has. */
#define COUNTS(X)                                                                                  \
    X(users)                                                                                       \
    X(pairs)                                                                                       \
    X(in_train)                                                                                    \
    X(overlap)                                                                                     \
    X(cold_users)                                                                                  \
    X(cold_items)                                                                                  \
    X(cold_pairs)                                                                                  \
    X(in_relations)                                                                                \
    X(tie_pairs)                                                                                   \
    X(tied)                                                                                        \
    X(cold_ranked)

void cli_json_audit(cli_json *j, const rk_audit *a)
{
    cli_json_key(j, "audit");
    cli_json_open(j, '{');
#define COUNT(member) number(j, #member, a->member);
    COUNTS(COUNT)
#undef COUNT
    cli_json_key(j, "relations");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < a->n_relations; i++) {
        cli_json_open(j, '{');
        cli_json_key(j, "name");
        cli_json_text(j, a->relations[i].name);
        number(j, "pairs", a->relations[i].pairs);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
    cli_json_close(j, '}');
}

static int64_t count_at(const rk_report *report, const char *part, const char *key)
{
    char *path = cli_format("audit.%s.%s", part, key);
    double value = rk_report_number(report, path);
    cli_free(path);
    return isfinite(value) ? (int64_t)value : -1;
}

/* Reads as many relations as there are. */
static void read_relations(const rk_report *report, const char *part, rk_audit *a)
{
    int64_t n = 0;
    for (;; n++) {
        char *key = cli_format("relations.%lld.pairs", (long long)n);
        bool is_there = count_at(report, part, key) >= 0;
        cli_free(key);
        if (!is_there) {
            break;
        }
    }
    a->relations = n > 0 ? cli_alloc((size_t)n, sizeof *a->relations) : NULL;
    for (; a->n_relations < n; a->n_relations++) {
        char *key = cli_format("relations.%lld.pairs", (long long)a->n_relations);
        char *name = cli_format("audit.%s.relations.%lld.name", part, (long long)a->n_relations);
        a->relations[a->n_relations] = (rk_audit_relation){.name = rk_report_text(report, name),
                                                           .pairs = count_at(report, part, key)};
        cli_free(key);
        cli_free(name);
    }
}

void cli_print_report_audit(FILE *out, const rk_report *report)
{
    const char *parts[] = {rk_part_name(RK_TEST), rk_part_name(RK_VALID)};
    for (int i = 0; i < 2; i++) { /* test, or valid where there is no test */
        rk_audit a = {0};
        if (count_at(report, parts[i], "pairs") <= 0) {
            continue;
        }
#define COUNT(member) a.member = count_at(report, parts[i], #member);
        COUNTS(COUNT)
#undef COUNT
        read_relations(report, parts[i], &a);
        cli_print_audit(out, parts[i], &a);
        cli_free(a.relations);
        return;
    }
}

void cli_print_cautions(FILE *out, const rk_report *report)
{
    const char *on_test = rk_report_text(report, "chosen.on_test");
    const char *compat = rk_report_text(report, "compat");
    if (on_test && strcmp(on_test, "true") == 0) {
        fprintf(out, "          chosen on test: the test metrics are optimistic\n");
    }
    if (compat) {
        fprintf(out, "          %s\n", compat);
    }
}
