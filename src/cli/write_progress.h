/* Writing a large file from a command: a line of progress on a terminal, and a way to be stopped. */
#ifndef EW_CLI_WRITE_PROGRESS_H
#define EW_CLI_WRITE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* SIGINT and SIGTERM from now on stop the writing; a file size limit is reported like a full disk. */
void ew_cli_write_begin(void);
/* A progress callback: shows a line if *(const bool *)context; false once a signal came. */
bool ew_cli_write_show(void *context, uint64_t done, uint64_t total);
/* Takes the line away. */
void ew_cli_write_end(bool shown);

#endif
