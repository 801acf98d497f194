// The two pinned configurations, shared by picture, table and comparison. A third pushes out the older one.
const ids = [];
const listeners = [];
const tell = () => listeners.forEach((listener) => listener());

export const pins = {
  all: () => ids,
  has: (id) => ids.includes(id),
  toggle(id) {
    const at = ids.indexOf(id);
    if (at >= 0) ids.splice(at, 1);
    else { ids.push(id); if (ids.length > 2) ids.shift(); }
    tell();
  },
  set(next) { ids.splice(0, ids.length, ...new Set(next)); tell(); },
  clear() { ids.length = 0; tell(); },
  listen: (listener) => listeners.push(listener),
};
