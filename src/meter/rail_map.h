/* Which measured rails of a known board make up its power, so that parts are never added to the whole. */
#ifndef EW_METER_RAIL_MAP_H
#define EW_METER_RAIL_MAP_H

#include "edgewise/meter.h"

enum { EW_RAIL_MAP_TOTAL = 6, EW_RAIL_MAP_OUTSIDE = 10 };

struct ew_rail_map {
    const char *label;                        /* a rail that only this kind of board has */
    const char *total[EW_RAIL_MAP_TOTAL];     /* rails whose sum is the total; the rest are parts of it */
    const char *outside[EW_RAIL_MAP_OUTSIDE]; /* rails that are measured too, and are not inside its boundary */
    enum ew_meter_boundary boundary;
    enum ew_trust_grade ceiling;
    const char *covers, *leaves_out;
    const char *source;
};

/* The map of the board whose sensors carry these rail names; NULL when none fits, or when a rail of its total is not
 * among them. */
const struct ew_rail_map *ew_rail_map_find(const char *const *rails, size_t n);

/* The map of the same rails for a wider boundary; NULL = there is none. */
const struct ew_rail_map *ew_rail_map_around(const struct ew_rail_map *map, const char *const *rails, size_t n);

/* Whether the rail is inside the map's boundary, as the total or as a part of it. */
bool ew_rail_map_holds(const struct ew_rail_map *map, const char *rail);

bool ew_rail_map_in_total(const struct ew_rail_map *map, const char *rail);

#endif
