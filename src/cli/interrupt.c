/* Owns the note that the user wants an end. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t pending;

static void on_interrupt(int number) {
    (void)number;
    pending = 1;
}

void ew_interrupt_catch(int signal_number) {
    sigaction(signal_number, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
}

bool ew_interrupt_pending(void) { return pending; }

void ew_interrupt_clear(void) { pending = 0; }
