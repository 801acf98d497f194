/* How text should look where it goes: width and colour of a terminal; neither anywhere else. */
#ifndef EW_CLI_TERMINAL_STYLE_H
#define EW_CLI_TERMINAL_STYLE_H

#include "report/text_table.h"

/* fd: where it goes. plain, or no terminal: no folding, no colour. NO_COLOR and TERM=dumb take the colour away. */
struct ew_text_style ew_terminal_style(int fd, bool plain);

/* Rows of the terminal; 0 = not known. */
size_t ew_terminal_rows(int fd);

#endif
