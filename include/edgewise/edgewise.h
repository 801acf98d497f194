/* Edgewise: run language models on small computers and measure what that takes. Includes the whole public API. */
#ifndef EDGEWISE_EDGEWISE_H
#define EDGEWISE_EDGEWISE_H

#include "chat.h"
#include "kernels.h"
#include "meter.h"
#include "model.h"
#include "quantize.h"
#include "session.h"
#include "speculation.h"
#include "status.h"
#include "text_stream.h"

#endif
