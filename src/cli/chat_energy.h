/* Joules of the answers of a chat, by a meter that has proved itself; the engine knows nothing of it. */
#ifndef EW_CLI_CHAT_ENERGY_H
#define EW_CLI_CHAT_ENERGY_H

#include "cli/run_options.h"
#include "meter/integrate.h"

struct ew_chat_energy;

/* --energy auto (or NULL) without a usable meter: *out is NULL, which the other functions take. A meter that was named
 * and cannot be used is an error. The proof loads one core for about half a second. options must outlive it. */
enum ew_status ew_chat_energy_open(const struct ew_run_options *options, struct ew_chat_energy **out,
                                   struct ew_error *err);
void ew_chat_energy_close(struct ew_chat_energy **energy);

void ew_chat_energy_begin(struct ew_chat_energy *energy);
/* The energy between two moments since begin; false when there is no figure with a grade. */
bool ew_chat_energy_end(struct ew_chat_energy *energy, int64_t begin_ns, int64_t end_ns, struct ew_energy *out);

const char *ew_chat_energy_meter(const struct ew_chat_energy *energy); /* its name; NULL = none */

#endif
