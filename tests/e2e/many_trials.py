"""Makes a large store out of a small one: its first finished trial is copied into many configurations of five runs each."""
import sqlite3


def columns(db, table):
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def copy_row(db, table, row_id, **changes):
    names = columns(db, table)
    values = dict(zip(names, db.execute(f"SELECT * FROM {table} WHERE id = ?", (row_id,)).fetchone()))
    values.update(id=None, **changes)
    return db.execute(f"INSERT INTO {table} ({','.join(names)}) VALUES ({','.join('?' * len(names))})",
                      [values[name] for name in names]).lastrowid


def grow(path, n_configs, runs=5, slower=None, odd=None):
    """Every copy has a speed of its own: its stamps are stretched by 1 to 3. slower: {copy: factor} on top of that; odd: (copy, run) that takes half as long again."""
    db = sqlite3.connect(path)
    trial, config = db.execute("SELECT id, config_id FROM trial WHERE status = 'ok' ORDER BY id LIMIT 1").fetchone()
    tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
              if "trial_id" in columns(db, name) and name != "series"]
    children = {name: [dict(zip(columns(db, name), row)) for row in db.execute(f"SELECT * FROM {name} WHERE trial_id = ?", (trial,))]
                for name in tables}
    position = db.execute("SELECT max(position) FROM trial").fetchone()[0]
    for c in range(n_configs):
        new_config = copy_row(db, "config", config, key=f"many{c}", decode_threads=1 + c % 64, prefill_threads=1 + c % 64,
                              depth=c // 64 * 16)
        for run in range(runs):
            position += 1
            new = copy_row(db, "trial", trial, key=f"many{c}.{run}", config_id=new_config, repeat=run, position=position)
            for name, rows in children.items():
                for row in rows:
                    row = {**row, "trial_id": new}
                    if "id" in row:
                        row["id"] = None
                    for stamp in ("begin_ns", "end_ns", "first_ns", "last_ns"):
                        if row.get(stamp) is not None and name == "phase":
                            row[stamp] = int(row[stamp] * (1 + (c % 97) / 48 + run / 500) * (slower or {}).get(c, 1) * (1.5 if odd == (c, run) else 1))
                    db.execute(f"INSERT INTO {name} ({','.join(row)}) VALUES ({','.join('?' * len(row))})", list(row.values()))
    db.commit()
    db.close()
