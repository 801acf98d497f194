/* Not built yet. */
#include "cli/command.h"
#include <stdio.h>

int ew_cmd_report(int argc, char **argv) {
    (void)argc;
    fprintf(stderr, "%s: not built yet\n", argv[0]);
    return EW_EXIT_FAILED;
}
