#!/usr/bin/env python3
"""The report page, made by the real program from a real store, in headless Chromium.

report_page_test.py EDGEWISE MAKE_REPORT_STORE. Exit status 77: no browser here."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

import headless_page
import many_trials

EDGEWISE, MAKE_STORE = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
BROWSER = headless_page.find_browser()
ROWS = "[...document.querySelectorAll('#table tbody tr')]"
MARKS = "document.querySelectorAll('#picture svg .marks_marks path').length"
CONTRAST = """(() => {
  const level = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((v) => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const paper = level(getComputedStyle(document.body).backgroundColor);
  return ['.say', '.lead', '.why', '.caveat h3', '.answer h3', 'td', '.hint'].map((s) => document.querySelector(s)).filter(Boolean)
    .map((e) => { const ink = level(getComputedStyle(e).color);
      return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }); })()"""


class ReportPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="edgewise-page-")
        cls.root = pathlib.Path(cls.folder.name)
        cls.tab = headless_page.Page(BROWSER)

    @classmethod
    def tearDownClass(cls):
        cls.tab.close()
        cls.folder.cleanup()

    def show(self, *options, width=1280, scheme="light"):
        """One browser for all tests: starting it is what takes time."""
        self.tab.problems.clear()
        self.tab.resize(width, 800)
        self.tab.scheme(scheme)
        self.tab.open(self.make(*options))
        return self.tab

    def make(self, *options):
        store = self.root / ("-".join(("store", *options)) + ".db")
        page = store.with_suffix(".html")
        if not page.exists():
            subprocess.run([MAKE_STORE, store, *options], check=True)
            subprocess.run([EDGEWISE, "report", store, "--html", page], check=True, stdout=subprocess.DEVNULL)
        return page

    def tearDown(self):
        self.assertEqual(self.tab.problems, [])

    def test_size(self):
        self.assertLess(self.make().stat().st_size, 2_000_000)

    def test_content(self):
        tab = self.show()
        self.assertEqual(tab.evaluate("document.title"), "which model here · Edgewise")
        self.assertEqual(tab.evaluate(f"{ROWS}.length"), 4)
        self.assertEqual(tab.evaluate(MARKS), 3)  # the one that ran out of memory has no mark
        headings = tab.evaluate("[...document.querySelectorAll('h2')].map(e => e.textContent)")
        self.assertEqual(headings[:5], ["Answer", "The picture", "The table", "Compare two", "Memory"])
        answer = tab.evaluate("document.querySelector('#answer').innerText")
        self.assertIn("Run big in Q4_0 with 2", answer)
        self.assertIn("random weights in the shape of the real model", answer)
        self.assertEqual(*tab.evaluate("['.answer .say', '.caveat .say'].map(s => getComputedStyle(document."
                                       "querySelector(s)).fontSize)"))  # caveats are as large as the answer
        self.assertIn("was not measured in this study", tab.evaluate("document.querySelector('#quality').innerText"))
        self.assertIn("no RAPL, no power sensor", tab.evaluate("document.querySelector('#energy').innerText"))
        self.assertIn(" upon a time.", tab.evaluate("document.querySelector('#samples').innerText"))
        self.assertEqual(tab.evaluate("document.querySelectorAll('#samples blockquote').length"), 1)
        self.assertIn("killed for want of memory", tab.evaluate("document.querySelector('#failures').innerText"))

    def test_energy(self):
        tab = self.show("energy")
        text = tab.evaluate("document.querySelector('#energy').innerText")
        self.assertIn("0.080 ± 0.030", text)
        self.assertEqual(tab.evaluate("document.querySelectorAll('#energy canvas').length"), 1)
        phases = tab.evaluate("[...document.querySelectorAll('#energy .phases tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        self.assertEqual([row[0] for row in phases], ["load", "prefill", "decode"])
        self.assertTrue(phases[2][2].startswith("0.250"), phases)  # 2 W for the ten gaps of 12.5 ms of the first run
        self.assertTrue(phases[2][4].startswith("0.188"), phases)  # … and 1.5 W above the 0.5 W at rest
        self.assertEqual(tab.evaluate("document.querySelectorAll('#energy svg').length"), 2)
        self.assertEqual(tab.evaluate("document.querySelectorAll('#table .grade').length"), 3)

    def test_unfinished(self):
        tab = self.show("unfinished")
        self.assertIn("The study is not finished: 3 of 12", tab.evaluate("document.querySelector('#answer').innerText"))

    def test_hands(self):
        tab = self.show()
        first = f"{ROWS}[0].cells[0].textContent + {ROWS}[0].cells[2].textContent"
        tab.evaluate("[...document.querySelectorAll('.sort')].find(b => b.textContent.startsWith('prefill')).focus()")
        tab.press("Enter", 13, "\r")  # by keyboard: most first
        self.assertEqual(tab.evaluate(first), "tiny1/1")
        self.assertEqual(tab.evaluate("document.activeElement.closest('th').ariaSort"), "descending")
        tab.press("Enter", 13, "\r")
        self.assertEqual(tab.evaluate(first), "bigsynthetic1/1")
        tab.evaluate("(() => { const i = document.querySelector('#table input'); i.value = 'q8_0 synth'; "
                     "i.dispatchEvent(new Event('input')); })()")
        self.assertEqual(tab.evaluate(f"{ROWS}.length"), 1)
        tab.evaluate("(() => { const i = document.querySelector('#table input'); i.value = ''; "
                     "i.dispatchEvent(new Event('input')); })()")
        for _ in range(2):
            tab.evaluate("document.querySelector('.pin[aria-pressed=false]').click()")
        tab.settle()
        rows = tab.evaluate("[...document.querySelectorAll('.compare tbody tr')].map(r => r.innerText)")
        self.assertGreaterEqual(len(rows), 5)
        self.assertEqual(tab.evaluate("document.querySelectorAll('#table tr.pinned').length"), 2)
        tab.evaluate("document.querySelectorAll('.data summary').forEach(s => s.click())")
        tab.settle()
        self.assertGreaterEqual(tab.evaluate("document.querySelectorAll('.data table').length"), 4)

    def test_money_is_what_the_program_says(self):
        """The page's own sums against those of src/insight/money.c, which a simulation checked."""
        stated = {"device_price": 80, "lifetime_years": 4, "requests_per_day": 500, "tariff": 0.25, "idle_w": 2}
        store = self.make("energy").with_suffix(".db")
        costs = [word for key, value in stated.items() for word in ("--cost", f"{key}={value}")]
        said = json.loads(subprocess.run([EDGEWISE, "report", store, "--json", "--cost", "api=gpt-4o-mini", *costs], check=True,
                                         capture_output=True).stdout)
        tab = self.show("energy")
        for key, value in stated.items():
            tab.evaluate(f"(() => {{ const i = document.querySelector('#money input[data-key={key}]'); i.value = '{value}'; "
                         "i.dispatchEvent(new Event('input')); })()")
        tab.settle()
        rows = tab.evaluate("[...document.querySelectorAll('#money tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        labels = {c["id"]: c["label"] for c in said["configurations"]}
        self.assertEqual(len(rows), len(said["money"]["configurations"]))
        for cost in said["money"]["configurations"]:
            row = next(r for r in rows if r[0] == labels[cost["configuration"]])
            shown = [float(cell.replace(",", "")) for cell in row[1:6]]
            expected = [cost["per_month"], cost["per_million_generated"], cost["energy_kwh_per_day"] * 365.25 / 12,
                        cost["utilisation"] * 100, cost["break_even_requests_per_day"]]
            for got, wanted in zip(shown, expected):
                self.assertAlmostEqual(got / wanted, 1, delta=0.006)  # three digits are shown
        self.assertEqual(tab.evaluate("document.querySelectorAll('#money svg').length"), 2)
        self.assertEqual(tab.evaluate("document.querySelectorAll('#money .dial small')[0].textContent"), "yours")

    def set(self, selector, value):
        self.tab.evaluate(f"(() => {{ const i = document.querySelector('{selector}'); i.value = '{value}'; i.dispatchEvent(new Event('input')); }})()")

    def test_night_tariff_hours_and_battery(self):
        """Against the program: a night tariff, requests in the evening only, and one charge of a battery."""
        stated = {"device_price": 80, "lifetime_years": 4, "requests_per_day": 500, "tariff": 0.3, "idle_w": 2, "battery_wh": 50}
        costs = [word for key, value in {**stated, "cheap_tariff": 0.1, "cheap_hours": "22-6", "use_hours": "18-23"}.items()
                 for word in ("--cost", f"{key}={value}")]
        said = self.said(self.make("energy").with_suffix(".db"), *costs)
        cost = next(c for c in said["money"]["configurations"] if c["total_per_day"])
        tab = self.show("energy")
        for key, value in {**stated, "cheap_tariff": 0.1, "cheap_from": 22, "cheap_to": 6, "use_from": 18, "use_to": 23}.items():
            self.set(f"#money input[data-key={key}]", value)
        self.choose("#money", "Configuration", cost["configuration"])
        label = next(c["label"] for c in said["configurations"] if c["id"] == cost["configuration"])
        row = tab.evaluate("[...document.querySelectorAll('#money tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        row = next(r for r in row if r[0] == label)
        self.assertAlmostEqual(float(row[1].replace(",", "")) / cost["per_month"], 1, delta=0.006)
        words = tab.evaluate("document.querySelector('#money .battery').textContent")
        shown = [float(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,.]*(?= )", words)]
        for value in (cost["battery_answers"], cost["battery_hours"], cost["battery_day_hours"], cost["battery_idle_hours"]):
            self.assertTrue(any(abs(number / value - 1) < 0.006 for number in shown), (value, words))

    def test_context_slider_says_what_fits(self):
        """The big models' KV cache is a quarter of 606 and 1,100 MiB at 128 tokens; the board has 1,024 MiB."""
        tab = self.show()
        self.assertIn("As measured: 2 of 3 fit; too large for 1.0 GiB: big (synthetic) Q8_0",
                      tab.evaluate("document.querySelector('#memory .why').textContent"))
        self.set("#memory input[type=range]", 1)  # 512 tokens: four times the cache, so 1,060 MiB of big Q4_0
        words = tab.evaluate("document.querySelector('#memory .why').textContent")
        self.assertIn("At 512 tokens: 1 of 3 fit", words)
        self.assertIn("The KV cache is larger than the weights of", words)

    def test_thresholds_of_ones_own(self):
        tab = self.show()
        heads = "[...document.querySelectorAll('#pleasant thead th')].map(e => e.textContent)"
        self.assertNotIn("Yours", tab.evaluate(heads))
        self.set("#pleasant input[data-own=ttft]", 2)
        self.set("#pleasant input[data-own=speed]", 20)
        self.assertIn("Yours", tab.evaluate(heads))
        self.assertEqual(tab.evaluate("[...document.querySelectorAll('#pleasant tbody tr')].map(r => r.cells[r.cells.length - 1].textContent)"),
                         ["yes", "no", "yes"])  # 0.1 s and 100/s; 2.5 s and 12.8/s; 1.25 s and 25/s
        self.assertIn("2 of 3 configurations", tab.evaluate("document.querySelector('#pleasant').innerText"))

    def test_flags_are_shown(self):
        """Five runs of which one took half as long again: it stands apart, is said so, and stays."""
        store = self.grown("flagged.db", 3, odd=(1, 3))
        said = self.said(store)
        flagged = [c for c in said["configurations"] if any(f["kind"] == "outlier" for f in c["flags"])]
        self.assertEqual(len(flagged), 1)
        self.assertEqual(flagged[0]["figures"]["prefill_tokens_per_s"]["n"], 5)
        tab = self.open_page("flagged.html", store)
        self.choose("#table", "Show", "flagged")
        self.assertEqual(tab.evaluate(f"{ROWS}.filter(r => r.innerText.includes('stands apart')).length"), 1)
        tab.evaluate("document.querySelector('.flags summary').click()")
        self.assertIn("1 of 5 runs stands apart", tab.evaluate("document.querySelector('.flags').innerText"))

    def test_sustained(self):
        """A real run of four seconds: its curve, and what is left of the speed at its end."""
        study, store = self.root / "sustained.yaml", self.root / "sustained.db"
        model = pathlib.Path(__file__).resolve().parents[2] / "models" / "edgewise-tales-6m-f16.gguf"
        study.write_text(f"study: sustained\nmodels: [{{file: {json.dumps(str(model))}}}]\nsweep: {{threads: 1}}\n"
                         "measure: {prompt_tokens: 8, generate_tokens: 64, repeats: 1, warmup: 0, energy: none, sustained: 4 s}\n")
        subprocess.run([EDGEWISE, "study", study, "--store", store, "--yes"], check=True, capture_output=True)
        [run] = self.said(store)["sustained"]
        tail = run["tokens_per_s"][-max(1, len(run["tokens_per_s"]) // 10):]
        tab = self.open_page("sustained.html", store)
        words = re.search(r"The last tenth of (\d+) s ran at ([\d,.]+) tokens/s, \d+ % of that",
                          tab.evaluate("document.querySelector('#speed').innerText"))
        self.assertGreaterEqual(int(words[1]), 1)
        self.assertAlmostEqual(float(words[2].replace(",", "")), sum(tail) / len(tail), delta=0.01 * tail[0])
        self.assertEqual(tab.evaluate("document.querySelectorAll('#speed canvas').length"), 2)

    def test_wishes_are_what_the_program_says(self):
        store = self.make("energy").with_suffix(".db")
        said = json.loads(subprocess.run([EDGEWISE, "report", store, "--json", "--max-memory", "600MiB", "--prefer", "speed"],
                                         check=True, capture_output=True).stdout)["recommended"]
        tab = self.show("energy")
        tab.evaluate("(() => { const i = document.querySelector('[data-limit=memory]'); i.value = '600'; "
                     "i.dispatchEvent(new Event('input')); const s = document.querySelector('.wishes select'); s.value = 'speed'; "
                     "s.dispatchEvent(new Event('change')); })()")
        label = said["text"].split(":")[0]
        self.assertEqual(tab.evaluate("document.querySelector('.wishes .say').textContent").split(":")[0], label)
        tab.evaluate("(() => { const i = document.querySelector('[data-limit=memory]'); i.value = '1'; "
                     "i.dispatchEvent(new Event('input')); })()")
        self.assertIn("Nothing measured", tab.evaluate("document.querySelector('.wishes .say').textContent"))

    def text(self, selector):
        return self.tab.evaluate(f"document.querySelector('{selector}').innerText")

    def test_quality_against_what_it_costs(self):
        """Three files of one model with two texts' worth of figures and a task; what is drawn is what the store holds."""
        tab = self.show("energy", "quality")
        self.assertIn("accuracy on made-up items", self.text("#quality .lead"))
        marks = "document.querySelectorAll('#quality svg .files_marks path').length"
        self.assertEqual(tab.evaluate(marks), 3)
        self.assertIn("guessing", tab.evaluate("document.querySelector('#quality svg').textContent"))  # the line of chance
        figures = tab.evaluate("[...document.querySelectorAll('#quality select')[0].options].map(o => o.textContent)")
        self.assertEqual(figures, ["Quality: accuracy on made-up items", "Accuracy · made-up items", "KL divergence · made-up text",
                                   "Perplexity · made-up text", "Bits a byte · made-up text"])
        costs = tab.evaluate("[...document.querySelectorAll('#quality select')[1].options].map(o => o.value)")
        self.assertEqual(costs, ["size", "memory", "decode", "ttft", "joules"])
        for figure, n in ((2, 2), (3, 3), (4, 3)):  # the reference has no divergence from itself
            for cost in costs:
                self.choose("#quality", "Figure", figure)
                self.choose("#quality", "Against", cost)
                tab.settle()
                self.assertEqual(tab.evaluate(marks), n, (figure, cost))
        self.assertNotIn("guessing", tab.evaluate("document.querySelector('#quality svg').textContent"))
        self.choose("#quality", "Figure", 3)
        self.choose("#quality", "Against", "joules")
        tab.evaluate("document.querySelector('#quality figure .data summary').click()")
        rows = tab.evaluate("[...document.querySelectorAll('#quality figure .data tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        self.assertEqual([r[0] for r in rows], ["tiny Q4_0", "tiny Q8_0", "tiny F16"])  # from the fewest joules on
        self.assertEqual([r[2:] for r in rows], [["10.6", "10.2", "11.0", "5000"], ["10.0", "9.61", "10.4", "5000"], ["10.0", "9.60", "10.4", "5000"]])
        for got, wanted in zip(rows, (0.008, 0.02, 0.04)):  # 2 W at 250, 100 and 50 tokens/s
            self.assertAlmostEqual(float(got[1]) / wanted, 1, delta=0.02)
        steps = tab.evaluate("[...document.querySelectorAll('#quality .steps li')].map(e => e.textContent)")
        self.assertEqual(steps, [s["text"] for s in self.said(self.make("energy", "quality").with_suffix(".db"))["quality_steps"]])
        self.assertIn("not told apart by 200 items", steps[0])
        every = tab.evaluate("[...document.querySelectorAll('#quality > .scroll')].at(-1).querySelectorAll('tbody tr').length")
        self.assertEqual(every, 8)
        self.assertIn("quality", tab.evaluate("document.querySelector('#table thead').innerText"))
        self.choose("#picture", "Up", "quality")
        tab.settle()
        self.assertEqual(tab.evaluate(MARKS), 3)

    def test_wishes_for_quality_are_what_the_program_says(self):
        store = self.make("energy", "quality").with_suffix(".db")
        said = json.loads(subprocess.run([EDGEWISE, "report", store, "--json", "--min-quality", "0.5", "--prefer", "speed"],
                                         check=True, capture_output=True).stdout)["recommended"]
        self.show("energy", "quality")
        self.set("[data-limit=quality]", "0.5")
        self.tab.evaluate("(() => { const s = document.querySelector('.wishes select'); s.value = 'speed'; s.dispatchEvent(new Event('change')); })()")
        self.assertEqual(self.text(".wishes .say").split(":")[0], said["text"].split(":")[0])
        quality = "Quality 0.61 (0.54 to 0.67): accuracy on made-up items, not told apart from 1 other."
        self.assertIn(quality, said["reason"])
        self.assertIn(quality, self.text(".wishes .why"))

    def test_answers_side_by_side(self):
        tab = self.show("quality")
        cards = "[...document.querySelectorAll('#samples .samples')[0].querySelectorAll('.sample')]"
        captions = f"{cards}.map(c => c.querySelector('figcaption').innerText.replace(/\\s+/g, ' '))"
        marked = f"{cards}.map(c => [...c.querySelectorAll('mark')].map(m => m.textContent.trim()))"
        self.assertEqual(tab.evaluate(captions), ["tiny F16 the reference", "tiny Q8_0 word for word the same",
                                                  "tiny Q4_0 differs from word 4 on · 87 % of the words the same"])  # blue: 7 of 8
        self.assertEqual(tab.evaluate(marked), [[], [], ["blue"]])
        self.assertEqual(self.text("#samples .asked"), "Once upon a time")
        press = "[...document.querySelectorAll('#samples .turn button')].find(b => b.textContent === '%s').click()"
        tab.evaluate(press % "After")
        self.assertEqual(self.text("#samples .asked"), "What does a fox have?")
        self.assertEqual(tab.evaluate(marked), [[], [], ["long"]])  # put in: one word more
        tab.evaluate(press % "After")
        self.assertTrue(tab.evaluate("[...document.querySelectorAll('#samples .turn button')][1].disabled"))
        self.assertEqual(tab.evaluate(marked)[1], ["know", "yet."])  # know. became two words
        self.assertIn("…", tab.evaluate(f"{cards}[0].querySelector('blockquote').textContent"))  # 16 of at most 16 tokens
        self.choose("#samples", "Prompt", 0)
        self.assertEqual(self.text("#samples .asked"), "Once upon a time")
        tab.evaluate("[...document.querySelectorAll('#samples summary')].find(s => s.textContent.startsWith('All prompts')).click()")
        tab.settle()
        rows = tab.evaluate("[...document.querySelectorAll('#samples details tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        self.assertEqual([r[:3] for r in rows], [["tiny Q8_0", "tiny F16", "2 of 3"], ["tiny Q4_0", "tiny F16", "0 of 3"]])
        tab.call("Emulation.setEmulatedMedia", media="print")
        self.assertFalse(tab.evaluate("document.querySelector('#samples .turn').checkVisibility()"))
        self.assertTrue(tab.evaluate("document.querySelector('#samples .asked').checkVisibility()"))
        tab.call("Emulation.setEmulatedMedia", media="")

    def test_quality_narrow_and_hostile(self):
        for scheme in ("light", "dark"):
            tab = self.show("energy", "quality", width=360, scheme=scheme)
            self.assertLessEqual(tab.evaluate("document.documentElement.scrollWidth"), 360)
            self.assertGreaterEqual(min(tab.evaluate(CONTRAST)), 4.5)
        tab = self.show("hostile", "quality")
        self.assertEqual(tab.evaluate("document.querySelectorAll('img, #page script, b b, #quality i, iframe').length"), 0)
        self.assertIn("</script><i>text</i>", self.text("#quality"))
        self.assertIn("<img src=x onerror=alert(1)>", self.text("#samples .asked"))
        self.assertIn("</script><b>fox</b>", self.text("#samples .samples"))

    def test_front_over_three_figures(self):
        tab = self.show("energy")
        tab.evaluate("(() => { const s = [...document.querySelectorAll('#picture .choice')].find(c => c.textContent.startsWith('And'))"
                     ".querySelector('select'); s.value = 'ttft'; s.dispatchEvent(new Event('change')); })()")
        tab.settle()
        self.assertEqual(tab.evaluate(MARKS), 3)

    def test_ten_thousand_runs(self):
        store, page = self.root / "many.db", self.root / "many.html"
        store.write_bytes(self.make("quality").with_suffix(".db").read_bytes())
        many_trials.grow(store, 2000)
        subprocess.run([EDGEWISE, "report", store, "--html", page], check=True, stdout=subprocess.DEVNULL)
        tab = self.tab
        tab.problems.clear()
        tab.resize(1280, 800)
        tab.open(page)
        self.assertEqual(tab.evaluate(f"{ROWS}.length"), 300)  # a page of 2,006
        tab.evaluate("[...document.querySelectorAll('.sort')].find(b => b.textContent.startsWith('decode')).click()")
        tab.evaluate("[...document.querySelectorAll('#table button')].find(b => b.textContent === '300 more').click()")
        self.assertEqual(tab.evaluate(f"{ROWS}.length"), 600)
        tab.evaluate("document.querySelector('#runs summary').click()")
        tab.settle()
        self.assertEqual(tab.evaluate("document.querySelectorAll('#runs tbody tr').length"), 200)
        tab.evaluate("[...document.querySelectorAll('#runs button')].find(b => b.textContent === 'After').click()")
        self.assertIn("201 to 400 of 10018", tab.evaluate("document.querySelector('#runs').innerText"))
        ids = tab.evaluate("[...document.querySelectorAll('#compare select')[0].options].map(o => o.value)")
        self.choose("#compare", "First", ids[1000])
        self.choose("#compare", "Second", ids[1003])
        self.assertGreaterEqual(tab.evaluate("document.querySelectorAll('#compare tbody tr').length"), 5)
        self.set("#table input", "depth 160")
        self.assertEqual(tab.evaluate(f"{ROWS}.length"), 64)  # one of each thread count
        # The grown configurations are all of tiny Q8_0: the three files stay three marks.
        self.assertEqual(tab.evaluate("document.querySelectorAll('#quality svg .files_marks path').length"), 3)

    def grown(self, name, n_configs, **keys):
        store = self.root / name
        if not store.exists():
            store.write_bytes(self.make().with_suffix(".db").read_bytes())
            many_trials.grow(store, n_configs, **keys)
        return store

    def said(self, *arguments):
        return json.loads(subprocess.run([EDGEWISE, "report", *arguments, "--json"], check=True, capture_output=True).stdout)

    def open_page(self, name, *arguments):
        page = self.root / name
        subprocess.run([EDGEWISE, "report", *arguments, "--html", page], check=True, stdout=subprocess.DEVNULL)
        self.tab.problems.clear()
        self.tab.resize(1280, 800)
        self.tab.open(page)
        return self.tab

    def choose(self, section, label, value):
        self.tab.evaluate("(() => { const s = [...document.querySelectorAll('%s .choice')].find(c => c.firstChild.textContent === '%s')"
                          ".querySelector('select'); s.value = '%s'; s.dispatchEvent(new Event('change')); })()" % (section, label, value))

    def test_two_configurations_are_compared_as_the_program_does(self):
        """The page's own tests, intervals and effects against those of src/study, by blocks and by groups."""
        store = self.grown("few.db", 4)
        ids = [c["id"] for c in self.said(store)["configurations"] if c["runs_ok"] >= 3]
        tab = self.open_page("few.html", store)
        seen = 0
        for first, second in ((ids[-1], ids[-2]), (ids[0], ids[1]), (ids[-1], ids[0])):
            said = self.said(store, "--compare", str(first), "--compare", str(second))["pairs"][0]["figures"]
            self.choose("#compare", "First", first)
            self.choose("#compare", "Second", second)
            rows = tab.evaluate("[...document.querySelectorAll('#compare tbody tr')].map(r => ({...r.dataset}))")
            for row in rows:
                expected = said[row["figure"]]
                self.assertEqual(row["verdict"], expected["verdict"], row)
                for key, name in (("ratio", "ratio"), ("delta", "cliff_delta"), ("different", "different_p"), ("equivalent", "equivalent_p")):
                    if expected[name] is not None:
                        self.assertAlmostEqual(float(row[key]), expected[name], delta=1e-6 * max(1, abs(expected[name])))
                        seen += 1
        self.assertGreater(seen, 40)
        tab.evaluate("[...document.querySelectorAll('#compare button')].find(b => b.textContent === 'Swap').click()")
        tab.settle()
        self.assertEqual(tab.evaluate("Number(document.querySelector('#compare select').value)"), ids[0])
        self.assertEqual(tab.evaluate("document.querySelectorAll('#compare svg').length"), 1)
        tab.evaluate("[...document.querySelectorAll('#compare button')].find(b => b.textContent === 'Unpin both').click()")
        self.assertEqual(tab.evaluate("document.querySelectorAll('#compare tbody tr').length"), 0)

    def test_two_stores(self):
        """One copy of three became 10 % slower; the rest is the same to the nanosecond."""
        before, after = self.grown("before.db", 3), self.grown("after.db", 3, slower={1: 1.1})
        said = self.said(before, after)
        prefill = next(m for m in said["measures"] if m["key"] == "prefill_tokens_per_s")
        self.assertEqual([prefill["better"], prefill["worse"]], [0, 1])
        self.assertAlmostEqual(min(p["figures"]["prefill_tokens_per_s"]["ratio"] for p in said["pairs"] if p["figures"]), 1 / 1.1, delta=1e-6)
        tab = self.open_page("versus.html", before, after)
        self.assertIn("worse in 1", tab.evaluate("document.querySelector('#answer').innerText"))
        self.choose("#table", "Verdict", "worse")
        self.choose("#table", "Figure", "prefill_tokens_per_s")
        self.assertEqual(tab.evaluate(f"{ROWS}.length"), 1)
        self.assertIn("0.909", tab.evaluate(f"{ROWS}[0].innerText"))
        self.choose("#table", "Verdict", "")
        self.choose("#picture", "Figure", "peak_memory_bytes")
        tab.evaluate("[...document.querySelectorAll('#table .sort')].find(b => b.textContent === 'verdict').click()")
        tab.settle()
        self.assertIn("worse", tab.evaluate(f"{ROWS}[0].innerText"))
        self.assertIn("Nothing that was recorded", tab.evaluate("document.querySelector('#machine').innerText"))
        tab.resize(360, 800)
        tab.settle()
        self.assertLessEqual(tab.evaluate("document.documentElement.scrollWidth"), 360)

    def test_knobs(self):
        tab = self.show()
        self.assertEqual(tab.evaluate("document.querySelectorAll('#speed figure')[0].querySelectorAll('svg').length"), 1)
        tab.evaluate("(() => { const s = [...document.querySelectorAll('#speed select')].find(s => s.value === 'decode'); "
                     "s.value = 'memory'; s.dispatchEvent(new Event('change')); })()")
        tab.settle()
        self.assertIn("MiB", tab.evaluate("document.querySelectorAll('#speed figure')[0].querySelector('svg').textContent"))

    def test_narrow_and_themes(self):
        colours = set()
        for scheme in ("light", "dark"):
            tab = self.show("energy", width=360, scheme=scheme)
            self.assertLessEqual(tab.evaluate("document.documentElement.scrollWidth"), 360)
            colours.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            self.assertGreaterEqual(min(tab.evaluate(CONTRAST)), 4.5)  # WCAG 2.2, 1.4.3
            tab.evaluate("document.querySelector('.topline button').click()")
            tab.settle()
            self.assertEqual(tab.evaluate("document.documentElement.dataset.theme"), "light")
            tab.evaluate("localStorage.clear()")
        self.assertEqual(len(colours), 2)

    def test_download_and_print(self):
        tab = self.show()
        with tempfile.TemporaryDirectory() as folder:
            tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
            tab.evaluate("[...document.querySelectorAll('#speed figure:last-of-type .plot-bar button')].find(b => b.textContent === 'SVG').click()")
            trace = pathlib.Path(folder) / "token-gaps.svg"
            end = time.monotonic() + 30
            while not trace.exists() and time.monotonic() < end:
                tab.evaluate("1")
                time.sleep(0.1)
            drawn = xml.etree.ElementTree.fromstring(trace.read_text(encoding="utf-8"))
            self.assertGreaterEqual(len([e for e in drawn.iter() if e.tag.endswith("path") and "L" in e.get("d", "")]), 1)
            for kind in ("SVG", "PNG", "CSV"):
                tab.evaluate(f"[...document.querySelectorAll('#picture .plot-bar button')].find(b => b.textContent === '{kind}').click()")
                path = pathlib.Path(folder) / f"trade-off.{kind.lower()}"
                end = time.monotonic() + 30
                while not path.exists() and time.monotonic() < end:
                    tab.evaluate("1")
                    time.sleep(0.1)
                start = path.read_bytes()[:8]
                self.assertTrue(start.startswith({"SVG": b"<svg", "PNG": b"\x89PNG", "CSV": b"Model,"}[kind]), start)
            tab.resize(794, 1123)  # A4 at 96 dpi
            tab.call("Emulation.setEmulatedMedia", media="print")
            self.assertLessEqual(tab.evaluate("document.querySelector('#table table').getBoundingClientRect().right"), 794)
            tab.call("Emulation.setEmulatedMedia", media="")
            pdf = tab.call("Page.printToPDF", printBackground=True)["data"]
            self.assertGreater(len(pdf), 20_000)

    def test_hostile_names_are_text(self):
        tab = self.show("hostile")
        self.assertEqual(tab.evaluate("document.title"), "</script><script>alert(1)</script> · Edgewise")
        self.assertEqual(tab.evaluate("document.querySelectorAll('img, #page script, b b, iframe').length"), 0)
        self.assertIn("<img src=x onerror=alert(1)>", tab.evaluate(f"{ROWS}[0].innerText"))
        self.assertIn("</script><b>upon</b>", tab.evaluate("document.querySelector('#samples').innerText"))
        tab.evaluate("document.querySelectorAll('.data summary').forEach(s => s.click())")
        tab.settle()

    def test_no_eval(self):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', self.make().read_text(encoding="utf-8"))[1]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe-eval", policy)
        self.assertNotIn("script-src 'unsafe", policy)


if __name__ == "__main__":
    if not BROWSER:
        print("skipped: no chromium on this machine")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
