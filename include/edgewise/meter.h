/* Meters: energy, power, memory, heat, clocks. */
#ifndef EDGEWISE_METER_H
#define EDGEWISE_METER_H

#include "status.h"

#endif
