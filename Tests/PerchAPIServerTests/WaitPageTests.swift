// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchAPIServer

@Suite("Pages of waits and task instances", .timeLimit(.minutes(2)))
struct WaitPageTests {
    private func ids(_ check: MarkupCheck) -> [Int64] {
        check.elements.compactMap { element in
            guard element.name == "a", let path = element.attributes["href"], path.hasPrefix("/deferred/") else {
                return nil
            }
            return Int64(path.dropFirst(10))
        }
    }

    @Test("What waits is told with the filters of the command line, page by page, and nothing is left out")
    func list() async throws {
        let bench = try await RESTBench()
        for number in 0..<40 {
            _ = try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": .string("w\(number)")])
            if number % 10 == 9 { try await bench.advance() }
        }
        try await bench.advance()
        let all = try await bench.waits().map(\.waitID)
        for sort in ["", "since", "due", "deadline", "target"] {
            var (found, path): ([Int64], String?) = ([], "/deferred?sort=\(sort)")
            for _ in 0..<4 {
                guard let next = path else { break }
                let check = try await bench.read(next)
                found += ids(check)
                path = check.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
            }
            #expect(found.sorted() == all && path == nil, "\(sort)")
        }
        for (query, count) in [
            ("kind=file&dag_run_id=r1", 1), ("kind=http", 0), ("dag_id=rates", 0), ("dag_run_id=r1", 2),
            ("task_id=nap&dag_run_id=w1", 1), ("target=data&dag_run_id=w1", 1), ("owner=h%3A8", 0),
            ("older_than=1s", 0), ("due_within=30m", 0), ("due_within=soon", 0),
        ] {
            #expect(ids(try await bench.read("/deferred?\(query)")).count == count, "\(query)")
        }
        #expect(try await bench.page("/deferred?due_within=soon").body.contains("role=\"alert\""))
        #expect(try await bench.page("/deferred?after=00").status == 400)
        try await bench.end()
    }

    @Test("Many waits are fired, cancelled and extended at once; what has ended before is told")
    func actions() async throws {
        let bench = try await RESTBench()
        for number in 0..<3 {
            _ = try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": .string("w\(number)")])
        }
        try await bench.advance()
        let naps = try await bench.waits().filter { $0.key.taskID == "nap" }.map { "\($0.waitID)" }
        #expect(naps.count == 4)
        func act(_ what: String, _ ids: [String], _ more: [(String, String)] = []) async throws -> WebClient.Answer {
            try await bench.post("/deferred/act", [("do", what)] + ids.map { ("wait", $0) } + more)
        }
        let moved = try await act("extend", naps, [("by", "2h")])
        #expect(moved.status == 303, "\(moved)")
        let fired = try await act("fire", Array(naps.prefix(2)), [("payload", ""), ("back", "/deferred?kind=time")])
        #expect(fired.status == 303 && fired.fields["location"] == "/deferred?kind=time", "\(fired)")
        #expect(fired.fields["set-cookie"]?.contains("2%20waits%20fired") == true, "\(fired)")
        let again = try await act("fire", Array(naps.prefix(3)))
        #expect(again.fields["set-cookie"]?.contains("1%20wait%20fired.%202%20of%20them%20had") == true, "\(again)")
        let cancelled = try await act("cancel", [naps[3]])
        #expect(cancelled.status == 303)
        #expect(try await bench.waits().allSatisfy { $0.key.taskID != "nap" })
        for (what, ids, more) in [
            ("fire", [], []), ("sing", naps, []), ("extend", naps, []), ("extend", naps, [("by", "soon")]),
            ("fire", naps, [("payload", "{")]), ("fire", (0..<201).map { "\($0)" }, []),
        ] as [(String, [String], [(String, String)])] {
            let answer = try await act(what, ids, more)
            #expect(answer.status == 400, "\(what) \(more): \(answer)")
        }
        try await bench.end()
    }

    @Test("Before anything is done one is asked, with which waits; all that match are taken, none that came since")
    func matching() async throws {
        let bench = try await RESTBench()
        for number in 0..<3 {
            _ = try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": .string("w\(number)")])
        }
        try await bench.advance()
        let before = try await bench.waits()
        func choose(_ form: [(String, String)]) async throws -> MarkupCheck {
            let answer = try await bench.post("/deferred/choose", form)
            #expect(answer.status == 200, "\(answer)")
            let check = MarkupCheck(answer.body)
            #expect(check.faults.isEmpty, "\(check.faults)")
            return check
        }
        func fields(_ check: MarkupCheck) -> [(String, String)] {
            check.elements.filter { $0.name == "input" && $0.attributes["type"] == "hidden" }.map {
                ($0.attributes["name"] ?? "", $0.attributes["value"] ?? "")
            }
        }
        func asks(_ check: MarkupCheck) -> String { check.texts("h1").first ?? "" }
        let one = try await choose([("wait", "\(before[0].waitID)"), ("do", "cancel"), ("back", "/deferred?kind=file")])
        #expect(
            asks(one) == "Cancel 1 wait?" && one.elements.contains { $0.attributes["href"] == "/deferred?kind=file" })
        #expect(try await bench.waits().count == before.count)
        let filter = "kind=time&target=after"
        let many = try await choose([("scope", "matching"), ("filter", filter), ("do", "fire"), ("wait", "1")])
        #expect(asks(many) == "Fire 4 waits?")
        // What begins to wait after the question is left alone.
        bench.api.passTime()
        _ = try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": "late"])
        try await bench.advance()
        let fired = try await bench.post("/deferred/act", fields(many))
        #expect(fired.status == 303 && fired.fields["set-cookie"]?.contains("4%20waits%20fired") == true, "\(fired)")
        let left = try await bench.waits().filter { $0.kind == "time" }
        #expect(left.count == 1 && left[0].key.runID == "late")
        // Each is in the record, by itself.
        let log = try await bench.api.metastore.read { try $0.auditLog(limit: 9) }.map(\.entry)
        let subjects = Set(before.filter { $0.kind == "time" }.map { "/deferred/\($0.waitID)" })
        let kept = log.filter { $0.action == "form" }
        #expect(
            kept.count == 4 && Set(kept.map(\.subject)) == subjects && kept.allSatisfy { $0.details["do"] == "fire" })
        // With those that have no deadline any more it cannot be done, which is told.
        for (what, says) in [
            ("extend", "of%205%20waits%20is%20moved"), ("open", "of%205%20waits%20is%20away"),
            ("extend", "With%205%20it%20could%20not%20be%20done"),
        ] {
            let files = try await choose([
                ("scope", "matching"), ("filter", "kind=file"), ("do", what), ("by", "1h"),
            ])
            #expect(asks(files).contains("deadline of 5 waits"))
            let moved = try await bench.post("/deferred/act", fields(files))
            #expect(moved.status == 303 && moved.fields["set-cookie"]?.contains(says) == true, "\(moved)")
        }
        #expect(
            asks(try await choose([("scope", "matching"), ("filter", "kind=http"), ("do", "cancel")])).contains(
                "Nothing"))
        for form in [
            [("do", "cancel")], [("do", "sing"), ("scope", "matching")],
            [("do", "cancel"), ("scope", "matching"), ("filter", "older_than=soon")],
            [("do", "cancel"), ("scope", "matching"), ("filter", "kind=%FF")],
        ] {
            #expect(try await bench.post("/deferred/choose", form).status == 400, "\(form)")
        }
        #expect(try await bench.page("/deferred/choose").status == 303)
        for began in ["9223372036854775807", "-9223372036854775808", "x"] {
            let filter = [("scope", "matching"), ("filter", "kind=sql&older_than=1s"), ("began", began)]
            #expect(asks(try await choose(filter + [("do", "cancel")])) == "Nothing waits like that")
        }
        try await bench.end()
    }

    @Test("A wait's page says why it waits, and whose triggerer says so; one that is not there is told so")
    func wait() async throws {
        var surroundings = APISurroundings()
        surroundings.explain = { waitID in
            guard waitID % 2 == 0 else { throw PerchError(.unavailable, "it <hangs>") }
            return WaitExplanation(sentences: ["It is <watched>."], sharing: 3)
        }
        let bench = try await RESTBench(surroundings: surroundings)
        for wait in try await bench.waits() {
            let check = try await bench.read("/deferred/\(wait.waitID)")
            let text = check.elements.first { $0.name == "main" }?.text ?? ""
            #expect(
                text.contains(wait.waitID % 2 == 0 ? "It is <watched>." : "does not answer (it <hangs>)"), "\(text)")
            #expect(text.contains(wait.target) && text.contains("h:7"))
        }
        #expect(try await bench.page("/deferred/999999").status == 404)
        #expect(try await bench.page("/deferred/x").status == 404)
        try await bench.end()
    }

    @Test(
        "A task instance's pages tell why it stands so, its history, journal and output, and lead on where there is none"
    )
    func instances() async throws {
        let bench = try await RESTBench()
        let place = "/dags/orders/runs/r1/tasks"
        for (path, says) in [
            ("parse", "step"), ("parse/journal", "read#0"), ("parse/output", "return_value"), ("parse/log", "no log"),
            ("landed", "/data/in.csv"), ("load?map_index=1", "load[1]"), ("landed/output", "no output"),
            ("parse", "Tries"), ("parse", "its rendered fields"), ("parse/rendered", "command"),
            ("landed", "Yes, mark it success"),
        ] {
            let check = try await bench.read("\(place)/\(path)")
            #expect(check.elements.first { $0.name == "main" }?.text.contains(says) == true, "\(path)")
        }
        let mapped = try await bench.page("\(place)/load")
        #expect(mapped.status == 303 && mapped.fields["location"] == "/dags/orders/runs/r1?task_id=load", "\(mapped)")
        for path in ["none", "load?map_index=9", "parse/log?map_index=3"] {
            #expect(try await bench.page("\(place)/\(path)").status == 404, "\(path)")
        }
        func act(_ task: String, _ what: String) async throws -> WebClient.Answer {
            try await bench.post("\(place)/\(task)", [("do", what)])
        }
        #expect(try await act("landed/act", "success").status == 303)
        #expect(try await bench.read("\(place)/landed").elements.contains { $0.attributes["class"] == "st success" })
        #expect(try await act("load/act?map_index=0", "cancel").status == 303)
        #expect(try await act("parse/act", "clear").status == 303)
        #expect(try await act("parse/act", "dance").status == 400)
        try await bench.end()
    }

    @Test("Processes are told with what they hold, and events with who took them, page by page")
    func others() async throws {
        let bench = try await RESTBench()
        let jobs = try await bench.read("/jobs")
        #expect(jobs.elements.filter { $0.name == "th" && $0.text == "h:7" }.count == 4)
        #expect(jobs.elements.contains { $0.name == "td" && $0.text == "9.9" })
        #expect(jobs.elements.contains { $0.attributes["href"] == "/deferred?owner=h%3A7" })
        try await bench.api.metastore.write { transaction in
            for number in 0..<70 {
                _ = try transaction.emit([NewEvent(name: "<many>", key: "k", payload: ["n": .integer(Int64(number))])])
            }
        }
        var (found, path): (Int, String?) = (0, "/inbox?name=%3Cmany%3E")
        for _ in 0..<3 {
            guard let next = path else { break }
            let check = try await bench.read(next)
            found += check.elements.filter { $0.name == "summary" && $0.text == "Payload" }.count
            path = check.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
        }
        #expect(found == 70 && path == nil)
        #expect(try await bench.read("/inbox?key=1").elements.contains { $0.text.hasPrefix("orders.paid") })
        #expect(try await bench.read("/inbox?name=none").elements.contains { $0.text == "There are no such events." })
        try await bench.end()
    }

    @Test("A log is shown a page at a time, and what is searched for is found far behind")
    func logs() async throws {
        var surroundings = APISurroundings()
        surroundings.log = { key, _, start, limit in
            guard key.taskID == "parse" else { return nil }
            var after = 5_000 - limit
            if case .behind(let place) = start {
                after = place.line
                // Whoever goes on says where what was given last has ended.
                #expect(place.byte == (after == 0 ? nil : Int64(after) * 10) || after.isMultiple(of: 1_000))
            }
            let lines = (after..<min(after + limit, 5_000)).map { number in
                "2026-01-01T00:00:00Z \(number % 1_000 == 999 ? "ERROR <boom>" : "INFO fine") \(number)"
            }
            return APISurroundings.LogPage(
                lines: lines, hasMore: after + limit < 5_000, first: after + 1,
                next: APISurroundings.LogPlace(line: after + lines.count, byte: Int64(after + lines.count) * 10))
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let path = "/dags/orders/runs/r1/tasks/parse/log"
        let first = try await bench.read(path)
        #expect(first.elements.contains { $0.attributes["id"] == "l250" })
        #expect(!first.elements.contains { $0.attributes["id"] == "l251" })
        let next = try #require(first.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"])
        #expect(try await bench.read(next).elements.contains { $0.attributes["id"] == "l251" })
        let found = try await bench.read(path + "?search=%3CBOOM")
        #expect(
            found.elements.compactMap { $0.attributes["id"] }.filter { $0.hasPrefix("l") }
                == ["l1000", "l2000", "l3000", "l4000", "l5000"])
        // Lines that tell of waits are marked, and the newest are found.
        #expect(try await bench.read(path + "?newest=1").elements.contains { $0.attributes["id"] == "l5000" })
        try await bench.end()
    }

    @Test("However long its lines are, a page of a log ends behind so many bytes, and those at the end have no numbers")
    func longLines() async throws {
        let asked = Mutex(0)
        var surroundings = APISurroundings()
        surroundings.log = { _, _, start, _ in
            guard case .behind(let place) = start else {
                return APISurroundings.LogPage(lines: ["the end"], hasMore: false)
            }
            asked.withLock { $0 += 1 }
            return APISurroundings.LogPage(
                lines: [String(repeating: "x", count: 4 << 20)], hasMore: true, first: place.line + 1)
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let path = "/dags/orders/runs/r1/tasks/parse/log"
        for query in ["", "?search=y"] {
            asked.withLock { $0 = 0 }
            let page = try await bench.page(path + query)
            #expect(page.status == 200 && page.body.utf8.count < 100_000 && asked.withLock { $0 } == 8, "\(query)")
            #expect(MarkupCheck(page.body).elements.contains { $0.attributes["rel"] == "next" })
        }
        let newest = try await bench.read(path + "?newest=1")
        #expect(newest.elements.contains { $0.name == "code" && $0.text == "the end" })
        #expect(!newest.elements.contains { $0.attributes["id"] == "l1" })
        try await bench.end()
    }

    @Test("Each try is told with when it began and ended and why, the earlier ones from their logs")
    func tries() async throws {
        var surroundings = APISurroundings()
        surroundings.log = { key, tryNumber, start, _ in
            guard key.taskID == "parse", tryNumber == 1, start == .behind(.init(line: 0)) else { return nil }
            let lines = [
                "2026-01-01T00:00:00Z INFO try 1, dispatch 7", "2026-01-01T00:00:10Z INFO waits for file /a ('landed')",
                "2026-01-01T00:01:00Z ERROR it <broke>",
            ]
            return APISurroundings.LogPage(lines: lines, hasMore: false)
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let place = "/dags/orders/runs/r1/tasks/parse"
        #expect(try await bench.post(place + "/act", [("do", "clear")]).status == 303)
        try await bench.advance()
        let check = try await bench.read(place)
        let text = check.elements.first { $0.name == "main" }?.text ?? ""
        #expect(text.contains("it <broke>") && text.contains("2026-01-01 00:00:00") && text.contains("1m"), "\(text)")
        #expect(
            check.elements.filter { $0.attributes["aria-label"]?.hasPrefix("The log of the try") == true }.count == 2)
        let log = try await bench.read(place + "/log?try=1")
        #expect(log.elements.filter { $0.attributes["class"] == "st deferred" && $0.text.hasSuffix("wait") }.count == 1)
        try await bench.end()
    }
}
