#include "page/html.h"

#include <math.h>
#include <string.h>

#include "base/parse.h"
#include "config/utf8.h"

const char rk__html_style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#ffffff;--line:#d9dee5;"
    "--mark:#b4530a;--shade:#f4f6f9;--good:#12694a;--c0:#1f5fa8;--c1:#c2560a;--c2:#178061;"
    "--c3:#8a4bc4;--c4:#bf2460;--c5:#0d7f8c;--c6:#8a6d00;--c7:#6b5b53}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa6b5;--paper:#14181e;"
    "--line:#303843;--mark:#f0a45d;--shade:#1b2129;--good:#67d3a5;--c0:#74b0f4;--c1:#f0a45d;"
    "--c2:#5fcf9f;--c3:#c3a2f7;--c4:#f58bb0;--c5:#5cc8d2;--c6:#d9c04a;--c7:#b9aca5}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:2rem 1.25rem 4rem;"
    "background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.2rem;margin:2.4rem 0 .6rem;"
    "padding-top:.4rem;border-top:1px solid var(--line)}h3{font-size:1rem;margin:1.4rem 0 .4rem;"
    "overflow-wrap:anywhere}\n"
    "p{margin:.3rem 0;color:var(--soft);overflow-wrap:anywhere}nav{margin:.6rem 0;font-size:.9rem}"
    "nav a{margin-right:.9rem;white-space:nowrap}a{color:var(--c0)}\n"
    ".warning{border-left:4px solid var(--mark);background:var(--shade);color:var(--ink);"
    "padding:.6rem .9rem;margin:1rem 0}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.3rem 0 .8rem}\n"
    "th,td{padding:.28rem .9rem .28rem 0;text-align:right;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{font-weight:600;color:var(--soft)}"
    "th:first-child,td:first-child,.left{text-align:left}\n"
    "tr.watched td{background:var(--shade);font-weight:600}td.best{color:var(--good);"
    "font-weight:600}.scroll{overflow-x:auto}td.value{max-width:26rem;overflow-wrap:anywhere}\n"
    ".scroll td:not(:first-child):not(.value){white-space:nowrap}.slices th{min-width:6rem}"
    ".runs td:first-child{min-width:8rem}\n"
    ".next{padding-left:1.6rem}.pair table{width:100%}.pair td:last-child{overflow-wrap:anywhere}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr));"
    "gap:0 2.5rem;align-items:start}.pair>*{min-width:0}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:.6rem;margin:.8rem 0}.tile{border:1px solid "
    "var(--line);border-radius:6px;padding:.45rem .9rem;background:var(--shade)}.tile b{display:"
    "block;font-size:1.35rem;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);"
    "font-size:.85rem}\n"
    "figure{margin:0 0 1rem;break-inside:avoid}figcaption{font-weight:600}"
    "svg{width:100%;height:auto;display:block}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft);stroke:var(--paper);stroke-width:3;"
    "stroke-linejoin:round;paint-order:stroke}\n"
    ".key{display:inline-block;font-weight:400;font-size:.85rem;color:var(--soft);"
    "margin-right:.9rem;overflow-wrap:anywhere}.key i{display:inline-block;width:1.1em;height:0;"
    "border-top:3px solid currentColor;margin-right:.35em;vertical-align:.25em}"
    ".key i.dash{border-top-style:dotted}\n"
    ".axis{stroke:var(--soft)}.grid{stroke:var(--line)}.line{fill:none;stroke:currentColor;"
    "stroke-width:2}.dash{stroke-dasharray:2 4}.thin{stroke-width:1.2;opacity:.75}"
    ".dot{fill:currentColor;stroke:none}.ring{fill:var(--paper);stroke:currentColor;"
    "stroke-width:2}.mark{stroke:var(--mark);stroke-dasharray:4 4}\n"
    ".c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}"
    ".c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}.c7{color:var(--c7)}"
    ".soft{color:var(--soft)}\n"
    ".line:hover{stroke-width:4;opacity:1}summary{cursor:pointer;color:var(--soft);margin:.4rem 0}"
    "pre,code{font:13px/1.45 ui-monospace,monospace;overflow-x:auto;white-space:pre-wrap;"
    "overflow-wrap:anywhere}pre{background:var(--shade);padding:.6rem .9rem}\n"
    ".person{border:1px solid var(--line);border-radius:6px;padding:.2rem .9rem .6rem;"
    "margin:0 0 1rem;break-inside:avoid}.person ol{margin:.3rem 0;padding-left:1.8rem}"
    ".person li{overflow-wrap:anywhere}li.hit{color:var(--good);font-weight:600}"
    "li small,p small{color:var(--soft);font-weight:400}\n"
    "@media(max-width:40rem){body{padding:1.2rem .9rem 3rem;font-size:15px}"
    "th,td{padding-right:.6rem}.next{padding-left:.8rem}svg text{font-size:14px}}\n"
    "@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--paper:#fff;--line:#ccc;"
    "--mark:#b4530a;--shade:#f4f4f4;--good:#12694a;--c0:#1f5fa8;--c1:#c2560a;--c2:#178061;"
    "--c3:#8a4bc4;--c4:#bf2460;--c5:#0d7f8c;--c6:#8a6d00;--c7:#6b5b53}body{max-width:none;"
    "padding:0;font-size:11px}nav,summary{display:none}h2,h3{break-after:avoid}"
    "tr{break-inside:avoid}.scroll{overflow:visible}th,td{padding-right:.5rem}"
    ".pair{grid-template-columns:1fr 1fr}@page{margin:14mm}}\n";

void rk__html_text(rk_buffer *out, const char *text)
{
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        const int length = (int)rk__utf8_length(at, (size_t)(end - at));
        if (length == 0) {
            rk__buffer_add(out, "\xef\xbf\xbd");
            at++;
            continue;
        }
        switch (*at) {
        case '<':
            rk__buffer_add(out, "&lt;");
            break;
        case '>':
            rk__buffer_add(out, "&gt;");
            break;
        case '&':
            rk__buffer_add(out, "&amp;");
            break;
        case '"':
            rk__buffer_add(out, "&quot;");
            break;
        case '\'':
            rk__buffer_add(out, "&#39;");
            break;
        default:
            if (length == 1 && ((unsigned char)*at < 0x20 || *at == 0x7f) && *at != '\n') {
                rk__buffer_add(out, " ");
            } else {
                rk__buffer_add_bytes(out, at, length);
            }
        }
        at += length;
    }
}

void rk__html_name(rk_buffer *out, const char *name)
{
    rk__buffer_add(out, "<bdi>");
    rk__html_text(out, name);
    rk__buffer_add(out, "</bdi>");
}

void rk__html_fixed(rk_buffer *out, double value, int digits)
{
    char text[32];
    rk__print_fixed(text, value, digits);
    rk__buffer_add(out, "%s", text);
}

void rk__html_count(rk_buffer *out, double value)
{
    char text[32];
    if (!(fabs(value) < 9e18)) {
        rk__buffer_add(out, "-");
        return;
    }
    rk__print_count(text, (int64_t)llround(value));
    rk__buffer_add(out, "%s", text);
}

void rk__html_short(rk_buffer *out, double value)
{
    const double size = fabs(value);
    if (size >= 10000) {
        rk__html_count(out, value);
    } else if (size > 0 && size < 0.001) {
        rk__buffer_add(out, "%.2e", value);
    } else {
        rk__html_fixed(out, value,
                       value == floor(value) ? 0
                       : size >= 100         ? 1
                       : size >= 10          ? 2
                                             : 4);
    }
}

void rk__html_cell(rk_buffer *out, const char *classes, double value, int digits)
{
    rk__buffer_add(out, *classes ? "<td class=\"%s\">" : "<td>", classes);
    rk__html_fixed(out, value, digits);
    rk__buffer_add(out, "</td>");
}

void rk__html_cell_text(rk_buffer *out, const char *classes, const char *text)
{
    rk__buffer_add(out, *classes ? "<td class=\"%s\">" : "<td>", classes);
    rk__html_text(out, text);
    rk__buffer_add(out, "</td>");
}

void rk__html_row(rk_buffer *out, const char *name, const char *value)
{
    rk__buffer_add(out, "<tr><td>%s</td>", name);
    rk__html_cell_text(out, "", value);
    rk__buffer_add(out, "</tr>\n");
}

void rk__html_table_begin(rk_buffer *out, const char *classes)
{
    rk__buffer_add(out, "<div class=\"scroll\"><table");
    rk__buffer_add(out, *classes ? " class=\"%s\">\n" : ">\n", classes);
}

void rk__html_table_end(rk_buffer *out)
{
    rk__buffer_add(out, "</table></div>\n");
}
