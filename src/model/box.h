/* The model in the box: the small trained model that comes with Edgewise, used when none is named. */
#ifndef EW_MODEL_BOX_H
#define EW_MODEL_BOX_H

#include "edgewise/status.h"
#include <stddef.h>

/* Its path into buf. Looked for as $EDGEWISE_MODEL, then models/ beside the program's folder (a build tree), then
 * ../share/edgewise/models (an installation). NOT_FOUND names the places. */
enum ew_status ew_model_box_path(char *buf, size_t capacity, struct ew_error *err);

#endif
