/* Owns asking a terminal what it is. What is printed there: report/text_table.h. */
#include "cli/terminal_style.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USUAL_WIDTH = 100 };

struct ew_text_style ew_terminal_style(int fd, bool plain) {
    struct ew_text_style style = {0};
    if (plain || !isatty(fd)) return style;
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize size;
    style.width = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : USUAL_WIDTH;
    style.colour = !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
    return style;
}

size_t ew_terminal_rows(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}
