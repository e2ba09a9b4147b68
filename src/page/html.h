/* What all sections of a page are written with: texts that are escaped, numbers, rows of tables,
 * the style. */
#ifndef RK_PAGE_HTML_H
#define RK_PAGE_HTML_H

#include "base/buffer.h"

/* CSS: light and dark, a phone, paper. The classes c0 to c7 colour lines and keys of legends. */
extern const char rk__html_style[];
enum { RK_HTML_COLOURS = 8 };

/* Escaped for text and attributes. Control characters become blanks and what is no UTF-8 becomes
 * U+FFFD, so that no id or title can end an element or a page. */
void rk__html_text(rk_buffer *out, const char *text);

/* The same within a line of other text: its direction of writing ends with it. */
void rk__html_name(rk_buffer *out, const char *name);

/* "-" where it is not finite. */
void rk__html_fixed(rk_buffer *out, double value, int digits);
void rk__html_count(rk_buffer *out, double value);
/* As few digits as tell it: 0.00123, 12.3, 4 510. */
void rk__html_short(rk_buffer *out, double value);

/* <td class>value</td>; classes may be "". */
void rk__html_cell(rk_buffer *out, const char *classes, double value, int digits);
void rk__html_cell_text(rk_buffer *out, const char *classes, const char *text);

/* <tr><td>name</td><td>value</td></tr>; the name is HTML already. */
void rk__html_row(rk_buffer *out, const char *name, const char *value);

void rk__html_table_begin(rk_buffer *out, const char *classes);
void rk__html_table_end(rk_buffer *out);

#endif
