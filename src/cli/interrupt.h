/* Ctrl-C, or another signal that asks for the end, as a question that work asks between its steps, instead of the end
 * of the program. */
#ifndef EW_CLI_INTERRUPT_H
#define EW_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on this signal is noted; system calls that wait return with EINTR. */
void ew_interrupt_catch(int signal_number);
bool ew_interrupt_pending(void);
void ew_interrupt_clear(void);

#endif
