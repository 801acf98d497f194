/* Private to src/study: what a command did to memory beyond its own pages: on graphics cards, and to the machine. */
#ifndef EW_STUDY_COMMAND_MEMORY_H
#define EW_STUDY_COMMAND_MEMORY_H

#include "study/command_run.h"

struct ew_command_memory {
    const char *root;
    struct ew_meter *gpu;             /* NULL: there is no card to ask */
    struct ew_meter_sampler *sampler; /* of it */
    struct ew_memory_reading before;
};

/* config must outlive *out. What cannot be opened stays unknown. ew_command_memory_close. */
void ew_command_memory_open(const struct ew_meter_config *config, struct ew_command_memory *out);
void ew_command_memory_close(struct ew_command_memory *memory);

/* Just before and just after a run; once NULL: it did not come about. */
void ew_command_memory_begin(struct ew_command_memory *memory);
void ew_command_memory_end(struct ew_command_memory *memory, struct ew_command_once *once);

#endif
