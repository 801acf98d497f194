/* The machine as a record: what stays the same between boots, and the state it is in now. */
#ifndef EW_STUDY_MACHINE_FACTS_H
#define EW_STUDY_MACHINE_FACTS_H

#include "machine/machine.h"
#include "study/study_record.h"

/* *out's texts belong to it: ew_machine_facts_free. Errors: MEMORY. */
enum ew_status ew_machine_facts_make(const struct ew_machine *machine, struct ew_machine_record *out,
                                     struct ew_error *err);
void ew_machine_facts_free(struct ew_machine_record *record);

/* Governors, clocks, temperatures, power mode, memory and throttle counts as one JSON object: free(). NULL = no memory.
 */
char *ew_machine_state_json(const struct ew_machine *machine);

#endif
