#!/usr/bin/env python3
"""Writes data/api_prices.json and data/countries.json from copies of their public sources.

    tools/make_prices.py FOLDER

FOLDER holds llm-prices/*.json (github.com/simonw/llm-prices, data/), carbon/global_energy_mix.json (github.com/mlco2/codecarbon,
codecarbon/data/private_infra/) and electricity/Electricity_Prices_Household_*.csv (Eurostat nrg_pc_204, as in
github.com/Qery-Data/Energy). Only prices that still hold are taken; nothing is filled in.
"""
import csv
import glob
import json
import pathlib
import sys

API_DATE = "2026-08"
# Names of the price table that differ from those of the carbon table.
ALIASES = {"Bosnia and Herz.": "Bosnia and Herzegovina", "Czech Rep.": "Czechia"}


def api_prices(folder: pathlib.Path) -> dict:
    models = []
    for path in sorted(glob.glob(str(folder / "llm-prices" / "*.json"))):
        vendor = json.load(open(path, encoding="utf-8"))
        for model in vendor["models"]:
            for price in model["price_history"]:
                if price["to_date"] is None:
                    models.append({"vendor": vendor["vendor"], "id": model["id"], "name": model["name"],
                                   "input": price["input"], "output": price["output"]})
    return {"date": API_DATE, "currency": "USD", "unit": "per million tokens",
            "source": "github.com/simonw/llm-prices, data/*.json at 723ef0b", "models": models}


def household_prices(folder: pathlib.Path) -> tuple[str, dict]:
    path = next((folder / "electricity").glob("Electricity_Prices_Household_*.csv"))
    rows = list(csv.reader(open(path, encoding="utf-8")))
    period = rows[0][-1]
    return period, {ALIASES.get(row[0], row[0]): float(row[-1]) for row in rows[1:] if row[-1]}


def countries(folder: pathlib.Path) -> dict:
    period, prices = household_prices(folder)
    table = []
    for code, mix in json.load(open(folder / "carbon" / "global_energy_mix.json", encoding="utf-8")).items():
        row = {"code": code, "name": mix["country_name"], "carbon_g_per_kwh": mix["carbon_intensity"], "year": mix["year"]}
        if mix["country_name"] in prices:
            row["eur_per_kwh"] = prices[mix["country_name"]]
        table.append(row)
    return {"carbon_source": "Our World in Data, grid mix of the year given, by way of github.com/mlco2/codecarbon at "
                             "global_energy_mix.json", "price_source": "Eurostat nrg_pc_204, households, all taxes, by way of "
                             "github.com/Qery-Data/Energy", "price_period": period, "currency": "EUR",
            "countries": sorted((r for r in table if r["carbon_g_per_kwh"]), key=lambda r: r["name"])}


def write(path: pathlib.Path, table: dict, rows: str) -> None:
    head = {k: v for k, v in table.items() if k != rows}
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in table[rows])
    text = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + f',\n "{rows}": [\n{lines}\n ]\n}}\n'
    json.loads(text)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent.parent / "data"
    write(out / "api_prices.json", api_prices(folder), "models")
    write(out / "countries.json", countries(folder), "countries")


main()
