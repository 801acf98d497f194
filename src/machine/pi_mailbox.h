/* The firmware of a Raspberry Pi, asked in words ("get_throttled", "pmic_read_adc") through its mailbox.
 *
 * On this machine: /dev/vcio_gencmd, or /dev/vcio of kernels that lack it, property tag 0x00030080. Of a recorded
 * machine: the folder <root>/dev/vcio with one file per command, named like it, that holds the answer; or a regular
 * file <root>/dev/vcio, which answers every command. A recorded machine never reaches a device.
 * Source: raspberrypi/utils vcgencmd; raspberrypi/firmware wiki, Mailbox property interface. */
#ifndef EW_MACHINE_PI_MAILBOX_H
#define EW_MACHINE_PI_MAILBOX_H

#include "edgewise/status.h"
#include <stddef.h>

/* Room for every answer that the firmware gives: 4 KiB, as its own tool uses. */
enum { EW_PI_ANSWER_BYTES = 4096 };

/* Asks one command (small letters, digits and _) and puts the answer into answer [EW_PI_ANSWER_BYTES], NUL-terminated,
 * trailing white space cut. Calls are made one at a time and no more often than every 20 ms, over all threads, as they
 * hold up firmware that real-time sound waits for too: a call may sleep that long. Errors: NOT_FOUND (no mailbox: not a
 * Raspberry Pi, or not its kernel), PERMISSION, IO (it does not answer), UNSUPPORTED (the firmware does not know the
 * command), ARGUMENT. */
enum ew_status ew_pi_mailbox_ask(const char *root, const char *command, char *answer, struct ew_error *err);

#endif
