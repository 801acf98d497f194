"""Meters that a user names: plugs over HTTP, and assumed watts. The plugs are small servers on loopback that answer as
the makers' documentation shows; what they claim to draw is known here, so joules follow from it by hand."""
import json
import os
import socket
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import harness


class Plug:
    """Answers GET path -> (status, JSON or text). The power moves a little at each answer, as a live one does."""

    def __init__(self, case, answer):
        self.answer, self.asked, self.connections, self.delay_s = answer, 0, set(), 0
        plug = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                plug.asked += 1
                plug.connections.add(self.client_address)
                time.sleep(plug.delay_s)
                status, body, *headers = plug.answer(self)
                body = (body if isinstance(body, str) else json.dumps(body)).encode()
                try:
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the other side has given up waiting

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_):
                pass  # a client that gave up is what is tested

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        case.addCleanup(self.stop)

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def power(self):
        return 10 + 0.1 * (self.asked % 2)

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def shelly2(component, key):
    """Second generation: only this component is known, only id 0."""
    def answer(plug, request):
        if request.path != f"/rpc/{component}.GetStatus?id=0":
            return 404, {"code": -105, "message": "Argument 'id', value 1 not found!"}
        return 200, {"id": 0, "output": True, key: plug.power(), "voltage": 230.1, "current": 0.06,
                     "aenergy": {"total": 6532.7}}
    return answer


def shelly1(plug, request):
    if request.path != "/status":
        return 404, "Not Found"
    return 200, {"relays": [{"ison": True}], "meters": [{"power": plug.power(), "is_valid": True, "total": 1234}]}


def tasmota(plug, request):
    if request.path != "/cm?cmnd=Status%2010":
        return 404, "Not Found"
    return 200, {"StatusSNS": {"Time": "2026-11-25T05:00:00", "ENERGY": {
        "Total": 3.185, "Power": round(10 * plug.power()), "Factor": 0.7, "Voltage": 230, "Current": 0.06}}}


class PlugCase(harness.ScratchCase):
    def plug(self, answer):
        plug = Plug(self, lambda request: answer(plug, request))
        return plug

    def list(self, source, *more):
        result = harness.run("meter", "list", "--root", self.folder, "--meter-source", source, "--json", *more,
                             cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        listed = json.loads(result.stdout)
        kind = source.split(":")[0]
        return next(m for m in listed["meters"] if m["name"].startswith(kind + ":")), listed

    def assert_meter_refused(self, source, reason, *words):
        meter, listed = self.list(source)
        self.assertEqual(meter["reason"], reason, meter["reason_text"])
        self.assertIsNone(listed["auto"])
        for word in words:
            self.assertIn(word, meter["reason_text"] + meter["remedy"])
        return meter

    # ---- what works ----

    def test_each_kind_is_proved_and_read(self):
        for name, answer, source, watts, step in [
                ("switch", shelly2("Switch", "apower"), "shelly:{}/0", 10, 0.1),
                ("pm1", shelly2("PM1", "apower"), "shelly:{}", 10, 0.1),
                ("em1", shelly2("EM1", "act_power"), "shelly:{}/0", 10, 0.1),
                ("first generation", shelly1, "shelly:{}/0", 10, 0.1),
                ("tasmota", tasmota, "tasmota:{}", 100, 1)]:
            with self.subTest(name):
                plug = self.plug(answer)
                meter, listed = self.list(source.format(plug.host), "--prove")
                self.assertTrue(meter["usable"], meter["reason_text"])
                self.assertTrue(watts <= meter["now"] <= 1.02 * watts, meter["now"])
                self.assertEqual((meter["boundary"], meter["kind"], meter["grade_ceiling"]), ("wall", "power", "C"))
                self.assertLessEqual(meter["resolution"], 1.0001 * step)
                self.assertEqual(listed["auto"], meter["name"])
                plug.stop()

    def test_run_integrates_the_power(self):
        plug = self.plug(shelly2("Switch", "apower"))
        result = harness.run("meter", "run", "--json", "--meter-source", f"shelly:{plug.host}/0", "--",
                             "sleep", "14", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = json.loads(result.stderr)
        energy, wall = said["runs"][0]["energy"], said["runs"][0]["wall_s"]
        self.assertIn("shelly", said["meter"]["name"])
        if energy["grade"] == "none":  # a machine so busy that fewer than ten answers came
            self.assertLess(energy["updates"], 10, energy["grade_reason"])
            self.skipTest(energy["grade_reason"])
        self.assertTrue(10 * wall <= energy["energy_j"] <= 10.1 * wall, energy)
        self.assertEqual(energy["grade"], "C")
        self.assertLess(len(plug.connections), plug.asked, "the connection is kept open")

    def test_watch_ends_with_a_figure(self):
        plug = self.plug(tasmota)
        result = harness.run("meter", "watch", "--json", "--duration", "4s", "--interval", "1s", "--meter-source",
                             f"tasmota:{plug.host}", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertTrue(any(e["power_w"] and 99 < e["power_w"] < 103 for line in lines for e in line["energy"]
                            if "power_w" in e), lines)
        self.assertEqual(lines[-1]["summary"], True)

    def test_login(self):
        def basic(plug, request):
            if request.headers.get("Authorization") != "Basic YWRtaW46czNjcmV0L0A=":  # admin:s3cret/@
                return 401, "no", ("WWW-Authenticate", 'Basic realm="shelly"')
            return shelly1(plug, request)
        plug = self.plug(basic)
        meter, _ = self.list(f"shelly:admin:s3cret/@@{plug.host}/0")
        self.assertTrue(meter["usable"], meter["reason_text"])
        self.assertNotIn("s3cret", json.dumps(meter))
        meter = self.assert_meter_refused(f"shelly:admin:wrongpass@{plug.host}", "permission", "refuses this user", "401")
        self.assertNotIn("wrongpass", json.dumps(meter))

        def asks(plug, request):
            if "&user=admin&password=a%26b" not in request.path:
                return 401, {"WARNING": "Need user=<username>&password=<password>"}
            return 200, {"StatusSNS": {"ENERGY": {"Power": 12}}}
        plug = self.plug(asks)
        self.assertTrue(self.list(f"tasmota:admin:a&b@{plug.host}")[0]["usable"])
        self.assert_meter_refused(f"tasmota:{plug.host}", "permission", "password")

    # ---- what does not ----

    def test_refusals_name_the_cause(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # bound and not listening: refused
            self.assert_meter_refused(f"shelly:127.0.0.1:{free.getsockname()[1]}/0", "absent", "does not answer", "browser")
        cases = [
            (lambda p, r: (401, "", ("WWW-Authenticate", "Basic realm=x")), "shelly", "permission", "asks for a password"),
            (lambda p, r: (404, "Not Found"), "shelly", "unsupported", "HTTP 404"),
            (lambda p, r: (404, "Not Found"), "tasmota", "unsupported", "HTTP 404"),
            (lambda p, r: (500, "oops"), "tasmota", "io_error", "HTTP 500"),
            (lambda p, r: (302, "", ("Location", "http://127.0.0.1:1/")), "shelly", "unsupported", "HTTP 302"),
            (lambda p, r: (200, "<html>a router</html>"), "shelly", "io_error", "not the JSON"),
            (lambda p, r: (200, "x" * 100000), "tasmota", "io_error", "64 KiB"),
            (lambda p, r: (200, {"id": 0, "output": False, "apower": 0.0}), "shelly", "not_now", "relay is off"),
            (lambda p, r: (200, {"id": 0, "output": True, "apower": 0.0}), "shelly", "not_now", "0 W"),
            (lambda p, r: (200, {"id": 0, "output": True}) if "Switch" in r.path else (404, "No handler"), "shelly",
             "unsupported", "no meter"),
            (lambda p, r: (200, {"StatusSNS": {"Time": "x"}}), "tasmota", "unsupported", "no meter"),
        ]
        for answer, kind, reason, words in cases:
            with self.subTest(words):
                self.assert_meter_refused(f"{kind}:{self.plug(answer).host}", reason, words)

    def test_a_plug_that_never_answers(self):
        plug = self.plug(tasmota)
        plug.delay_s = 60
        begin = time.monotonic()
        self.assert_meter_refused(f"tasmota:{plug.host}", "absent", "does not answer")
        self.assertLess(time.monotonic() - begin, 50, "it has a time limit of its own")

    def test_wrong_addresses_are_errors(self):
        for source, words in [("shelly:", "nothing stands"), ("shelly:/0", "the host must be"),
                              ("shelly:a b", "the host must be"), ("shelly:host/x", "CHANNEL"),
                              ("shelly:host/99", "CHANNEL"), ("shelly:host/0/1", "CHANNEL"),
                              ("tasmota:@host", "USER"), ("tasmota:u:p@", "the host must be"),
                              ("plug:host", "begins with none of")]:
            with self.subTest(source):
                result = harness.run("meter", "list", "--meter-source", source, cwd=self.folder)
                self.assert_refused(result, words)

    def test_a_plug_that_dies_midway(self):
        plug = self.plug(shelly2("Switch", "apower"))
        timer = threading.Timer(6, lambda: setattr(plug, "answer", lambda request: (503, "restarting")))
        timer.start()
        self.addCleanup(timer.cancel)
        result = harness.run("meter", "run", "--json", "--meter-source", f"shelly:{plug.host}/0", "--",
                             "sleep", "20", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = json.loads(result.stderr)
        energy = said["runs"][0]["energy"]
        self.assertEqual(energy["grade"], "none", energy)
        self.assertIsNone(energy["energy_j"])
        self.assertGreater(energy["missing"], 0)
        self.assertIn("end", energy["grade_reason"])


class AssumedCase(harness.ScratchCase):
    def test_auto_takes_it_last_and_says_so(self):
        result = harness.run("meter", "list", "--root", self.folder, "--json", "--meter-source", "assumed:12.5",
                             cwd=self.folder)
        listed = json.loads(result.stdout)
        self.assertEqual(listed["auto"], "assumed")
        trace = self.write("t.csv", "# boundary: board\n# loop: yes\ntime_s,power_w\n0,5\n0.1,6\n0.2,5\n")
        result = harness.run("meter", "list", "--root", self.folder, "--json", "--meter-source", "assumed:12.5",
                             "--meter-source", f"replay:{trace}", cwd=self.folder)
        self.assertEqual(json.loads(result.stdout)["auto"], "replay")

    def test_run_is_graded_e(self):
        result = harness.run("meter", "run", "--meter", "assumed", "--meter-source", "assumed:12.5", "--json", "--",
                             "sleep", "1", cwd=self.folder)
        said = json.loads(result.stderr)["runs"][0]
        self.assertAlmostEqual(said["energy"]["energy_j"], 12.5 * said["wall_s"], delta=0.001 * 12.5)
        self.assertEqual(said["energy"]["grade"], "E")
        self.assertTrue(said["energy"]["grade_reason"].startswith("assumed: 12.5 W"))
        self.assertIsNone(said["energy"]["error_j"])
        text = harness.run("meter", "run", "--meter", "assumed", "--meter-source", "assumed:12.5", "--", "true",
                           cwd=self.folder).stderr
        self.assertIn("grade E (assumed: 12.5 W", text)

    def test_bench_and_report_say_so(self):
        """The grade survives the store: bench, and the study's report, judge it again from there."""
        result = harness.run("bench", harness.BOX, "--energy", "assumed", "--meter-source", "assumed:12.5", "-p", "8",
                             "-n", "8", "-r", "2", "--idle", "1s", "-t", "1", "--store", self.path("b.db"), cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("assumed watts, not measured", result.stdout)
        row = next(line for line in result.stdout.splitlines() if line.startswith("edgewise-tales"))
        self.assertTrue(row.rstrip().endswith(" E"), row)
        result = harness.run("report", self.path("b.db"), "--plain", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Energy is of grade E: assumed: 12.5 W stated by the user, not measured", result.stdout)

    def test_wrong_watts_are_errors(self):
        for watts in ["-3", "nan", "inf", "0", "5001", "1e3", "15W", "0x10", "."]:
            with self.subTest(watts):
                result = harness.run("meter", "list", "--meter-source", f"assumed:{watts}", cwd=self.folder)
                self.assert_refused(result, f"assumed:{watts}", "above 0 and at most 5000")


if __name__ == "__main__":
    unittest.main(verbosity=2)
