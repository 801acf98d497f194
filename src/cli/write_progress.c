/* Owns the progress of commands that write models. The file itself is removed by who writes it. */
#include "cli/write_progress.h"

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

void ew_cli_write_begin(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
}

bool ew_cli_write_show(void *context, uint64_t done, uint64_t total) {
    const bool *terminal = context;
    if (*terminal) fprintf(stderr, "\r%5.0f of %.0f MiB ", (double)done / 1048576.0, (double)total / 1048576.0);
    return !interrupted;
}

void ew_cli_write_end(bool shown) {
    if (shown) fputs("\r                                \r", stderr);
}
