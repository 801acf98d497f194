/* Owns the progress of commands that write models. The file itself is removed by who writes it. */
#include "cli/write_progress.h"
#include "cli/interrupt.h"

#include <signal.h>
#include <stdio.h>

void ew_cli_write_begin(void) {
    ew_interrupt_catch(SIGINT);
    ew_interrupt_catch(SIGTERM);
    signal(SIGXFSZ, SIG_IGN);
}

bool ew_cli_write_show(void *context, uint64_t done, uint64_t total) {
    const bool *terminal = context;
    if (*terminal) fprintf(stderr, "\r%5.0f of %.0f MiB ", (double)done / 1048576.0, (double)total / 1048576.0);
    return !ew_interrupt_pending();
}

void ew_cli_write_end(bool shown) {
    if (shown) fputs("\r                                \r", stderr);
}
